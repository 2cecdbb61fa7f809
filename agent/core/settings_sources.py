"""Where settings come from: a YAML file, environment variables, and arguments of a door.

Built on pydantic-settings, which merges the sources section by section and checks the result.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic_settings
import yaml
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from limner.core.errors import SettingsError
from limner.core.settings import (
    ENVIRONMENT,
    PREFIX,
    SettingPath,
    Settings,
    section_type,
    yaml_complaint,
)


class EnvironmentSource(EnvSettingsSource):
    """`LIMNER_SECTION__NAME` for every setting, and the short names of `ENVIRONMENT`, which win.

    Empty variables count as not set.
    """

    def __init__(self, settings_class: type[BaseSettings], environment: Mapping[str, str]) -> None:
        super().__init__(settings_class)
        filled = {name: value for name, value in environment.items() if value}
        general = {
            PREFIX + name.removeprefix(PREFIX).lower(): value
            for name, value in filled.items()
            if name.startswith(PREFIX) and name not in ENVIRONMENT
        }
        short = {
            PREFIX + "__".join(path): filled[name]
            for name, path in ENVIRONMENT.items()
            if name in filled
        }
        self.env_vars = {**general, **short}

    def __call__(self) -> dict[str, Any]:
        try:
            return super().__call__()
        except pydantic_settings.SettingsError as error:
            raise SettingsError("settings.no_json_section", error=error, prefix=PREFIX) from error


def read_project_file(file: Path) -> dict[str, Any]:
    """What `limner.yaml` sets, by section; empty where there is no such file.

    Raises SettingsError where it is no mapping of sections, or holds the API key.
    """
    if not file.exists():
        return {}
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError("settings.bad_yaml", file=file, error=yaml_complaint(error)) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError("settings.no_mapping", file=file)
    for name, field in Settings.model_fields.items():
        if section_type(field) and not isinstance(content.get(name, {}), dict):
            raise SettingsError(
                "settings.no_section", file=file, key=name, value=repr(content[name])
            )
    if "api_key" in content.get("llm", {}):
        raise SettingsError("settings.key_in_file", file=file)
    return content


def read_settings(
    environment: Mapping[str, str], project: Path, overrides: Mapping[SettingPath, object]
) -> Settings:
    """Settings from all sources; later wins: `project` (where it exists), `environment`,
    `overrides`.

    Raises SettingsError, and pydantic's ValidationError for a value that does not fit.
    """
    file_content = read_project_file(project)

    class Reader(BaseSettings, Settings):
        model_config = SettingsConfigDict(
            case_sensitive=True, env_prefix=PREFIX, env_nested_delimiter="__"
        )

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (
                init_settings,
                EnvironmentSource(settings_cls, environment),
                InitSettingsSource(settings_cls, file_content),
            )

    reader = Reader(**nested(overrides))
    return Settings(**{name: getattr(reader, name) for name in Settings.model_fields})


def nested(settings: Mapping[SettingPath, object]) -> dict[str, Any]:
    """`{("llm", "choice"): "none"}` -> `{"llm": {"choice": "none"}}`."""
    tree: dict[str, Any] = {}
    for path, value in settings.items():
        branch = tree
        for key in path[:-1]:
            branch = branch.setdefault(key, {})
        branch[path[-1]] = value
    return tree
