"""Prompts as strict data files: one YAML file a version, under `prompts/`.

A published version is never edited; a new one is added. A missing or unknown variable is an error
before anything is sent. `label` (`id@version#hash`) is what provenance and caches carry.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from limner.core.errors import SettingsError
from limner.core.messages import rejection
from limner.core.schema import ChatMessage
from limner.core.settings import yaml_complaint

_VARIABLE = re.compile(r"\{\{(\w+)\}\}")


class Prompt(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    version: int
    purpose: str
    output: str
    """Name of the pydantic model that the answer must fit; empty for free text."""
    variables: list[str]
    system: str
    user: str

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of what is sent."""
        return hashlib.sha256(f"{self.system}\0{self.user}".encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        return f"{self.id}@{self.version}#{self.digest}"

    def render(self, **values: str) -> list[ChatMessage]:
        """System and user message with every variable filled in.

        Raises SettingsError when a variable is missing or not declared.
        """
        if set(values) != set(self.variables):
            missing, unknown = set(self.variables) - set(values), set(values) - set(self.variables)
            raise SettingsError(
                "prompt.wrong_variables",
                prompt=self.id,
                missing=sorted(missing),
                unknown=sorted(unknown),
            )
        return [
            ChatMessage(role="system", content=_fill(self.system, values)),
            ChatMessage(role="user", content=_fill(self.user, values)),
        ]


def _fill(text: str, values: Mapping[str, str]) -> str:
    # One pass, so that a value that looks like a variable stays text.
    return _VARIABLE.sub(lambda match: values[match[1]], text).strip()


@lru_cache(maxsize=64)
def load_prompt(prompt_id: str, override: str = "") -> Prompt:
    """The newest version of a shipped prompt, or the project's own file.

    Raises SettingsError for an unknown id, a file that does not fit, or an undeclared variable.
    """
    if override:
        path = Path(override)
        try:
            return _parse(path.read_text(encoding="utf-8"), str(path), prompt_id)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                "prompt.unreadable", file=path, prompt=prompt_id, error=error
            ) from error
    files = [
        _parse(entry.read_text(encoding="utf-8"), entry.name, prompt_id)
        for entry in resources.files("limner.prompts").iterdir()
        if re.fullmatch(rf"{re.escape(prompt_id)}\.v\d+\.yaml", entry.name)
    ]
    if not files:
        raise SettingsError("prompt.unknown", prompt=prompt_id)
    return max(files, key=lambda prompt: prompt.version)


def _parse(text: str, name: str, prompt_id: str) -> Prompt:
    try:
        prompt = Prompt.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise SettingsError("prompt.bad_yaml", file=name, error=yaml_complaint(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise SettingsError(
            "prompt.wrong_field", file=name, where=where, why=rejection(first)
        ) from error
    if prompt.id != prompt_id:
        raise SettingsError("prompt.wrong_id", file=name, found=prompt.id, expected=prompt_id)
    used = set(_VARIABLE.findall(prompt.system + prompt.user))
    if used != set(prompt.variables):
        raise SettingsError(
            "prompt.undeclared", file=name, used=sorted(used), declared=sorted(prompt.variables)
        )
    return prompt
