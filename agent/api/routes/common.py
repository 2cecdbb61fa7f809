"""What several paths take."""

from typing import Annotated

from fastapi import Path

UserId = Annotated[str, Path(description="The user's id, exactly as in the data.", examples=["196"])]
