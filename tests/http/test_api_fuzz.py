"""schemathesis asks the whole OpenAPI document what it allows and what it forbids: no 500, no
undocumented answer.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.http.tasteful import made, serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
)
OPERATIONS = 25
"""The document has more; fewer would mean that it was not read."""


@pytest.mark.slow
def test_every_answer_is_documented_and_none_is_a_failure(tmp_path: Path) -> None:
    with serving(made(tmp_path)) as client:
        url = f"{client.base_url}/openapi.json"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "schemathesis.cli",
                "run",
                url,
                "--checks",
                ",".join(CHECKS),
                "--max-examples",
                "15",
                "--phases",
                "examples,coverage,fuzzing",
                "--generation-deterministic",
                "--no-color",
                "--warnings",
                "off",
            ],
            capture_output=True,
            text=True,
            timeout=540,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested is not None and int(tested[1]) >= OPERATIONS
