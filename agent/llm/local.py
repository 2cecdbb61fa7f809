"""The embedded model: llama.cpp's OpenAI-compatible server inside this process, on loopback."""

import json
import os
import secrets
import weakref
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from limner.core.errors import ModelUnavailableError, SettingsError

_START = 300.0
"""Seconds for the first token, on the slowest machine."""
INSTALL = "pip install 'limner[local]'"


def runtime_installed() -> bool:
    return find_spec("xllamacpp") is not None


class LocalServer:
    """Serves one GGUF file on a random loopback port, under a key of its own, until closed or the
    process ends.
    """

    def __init__(
        self, model: Path, *, threads: int = 2, context: int = 8192, slots: int = 2
    ) -> None:
        """`context` in tokens, shared by `slots` requests at once. Raises SettingsError without the
        runtime, ModelUnavailableError for a file that is no model.
        """
        # Without it OpenMP's threads spin while they wait, and on a busy machine they starve each
        # other.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        try:
            import xllamacpp
        except ImportError as error:
            raise SettingsError("model.runtime_broken", error=error) from error
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(model)
        parameters.model_alias = {model.stem}
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        self.api_key = secrets.token_hex(16)
        parameters.api_keys = [self.api_key]
        parameters.cors_origins = ""
        parameters.ui = False
        parameters.endpoint_slots = False
        parameters.n_ctx = context
        parameters.n_parallel = slots
        # One pool of context for all slots: a long prompt may take nearly all of it.
        parameters.kv_unified = True
        parameters.fit_params = False
        parameters.cache_ram_mib = 256
        for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
            cpu.n_threads = threads
        # 0 is silence: llama.cpp otherwise writes hundreds of lines to the process's stderr.
        parameters.verbosity = 0
        self.name = model.stem
        try:
            server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise ModelUnavailableError("model.cannot_load", file=model) from error
        self.base_url = f"{server.listening_address}/v1"
        self._wait_until_it_runs()
        self._running: list[object] = [server]
        # Stopped before the interpreter goes down, while its threads can still end in order.
        self._stop = weakref.finalize(self, self._running.clear)

    def _wait_until_it_runs(self) -> None:
        """Ask the server for one token, and wait for it. The server listens before its loop runs; a
        stop in between would leave it running for ever.
        """
        to = urlsplit(self.base_url)
        connection = HTTPConnection(to.hostname or "", to.port, timeout=_START)
        try:
            connection.request(
                "POST",
                f"{to.path}/completions",
                json.dumps({"prompt": ".", "max_tokens": 1}),
                {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"},
            )
            connection.getresponse().read()
        except (OSError, HTTPException) as error:
            raise ModelUnavailableError(
                "model.embedded_silent", model=self.name, error=error
            ) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Stop the server and free the model's memory; safe to call twice."""
        self._stop()
