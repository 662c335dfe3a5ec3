"""Read and check the variables of variables.py, on behalf of settings.py only."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config.origins import browser_origin, check_listener
from config.variables import REMOVED, RENAMED, VARIABLES
from core.client_network import NETWORKS, network_of
from core.variables import Variable

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
MOST_DIGITS = 12
# Where compose mounts secrets, each under the name of its variable.
SECRETS = "/run/secrets"


class Environment:
    """Typed access to the known variables.

    Raises ImproperlyConfigured, naming the variable, for a value of the wrong kind, a renamed or removed variable, or a secret
    given both as NAME and NAME_FILE. Warns about a name that resembles a known one.
    """

    def __init__(self, values: Mapping[str, str], secrets: str = SECRETS) -> None:
        self.secrets = secrets
        self.known = {variable.name: variable for variable in VARIABLES}
        self.values = values
        # Names that resemble a setting, with that setting.
        self.misspelt: dict[str, str] = {}
        self._refuse_old_names()
        self._warn_about_misspelt()

    def text(self, name: str) -> str | None:
        """Return the value of a variable, or else its default.

        The value of a secret may also be the content of NAME_FILE, or else of SECRETS/NAME. An empty value or file counts as
        unset; an empty value of a secret also hides SECRETS/NAME.
        """
        variable = self.known[name]
        value = self.values.get(name, "").strip()
        try:
            value.encode()
        except UnicodeEncodeError:
            # Python reads other bytes as halves of characters. The error would quote the value.
            raise ImproperlyConfigured(f"{name} is not UTF-8") from None
        if variable.kind == "secret":
            value = self._secret(name, value)
        value = value or variable.default or ""
        if variable.kind != "secret" and len(value) > 1 and value[0] == value[-1] and value[0] in {'"', "'"}:
            # Docker's --env-file and systemd's drop-ins keep quotes as part of the value.
            raise ImproperlyConfigured(f"{name} is in quotes: leave them out")
        if variable.kind == "choice" and value and value not in variable.choices:
            raise ImproperlyConfigured(f"{name} is {value!r}: use one of {', '.join(variable.choices)}")
        return value or None

    def origin(self, name: str) -> str | None:
        """Return the value in a browser's form."""
        value = self.text(name)
        return browser_origin(name, value) if value else None

    def origins(self, name: str) -> list[str]:
        """Return the comma-separated values, each in a browser's form."""
        return [browser_origin(name, item) for item in self.items(name)]

    def path(self, name: str, base: Path) -> Path | None:
        """Return the value as a path.

        A relative one lies below `base`, not the working directory.
        """
        value = self.text(name)
        return base / value if value else None

    def integer(self, name: str) -> int:
        variable, value = self.known[name], self.text(name)
        if value is None or not value.isascii() or not value.isdigit() or len(value) > MOST_DIGITS:
            raise ImproperlyConfigured(f"{name} is {value!r}: use a whole number of at least {variable.minimum}")
        if not variable.minimum <= int(value) <= variable.maximum:
            raise ImproperlyConfigured(f"{name} is {value}: use a whole number from {variable.minimum} to {variable.maximum}")
        return int(value)

    def share(self, name: str) -> float:
        """Return a part of one, from 0 to 1."""
        value = self.text(name) or ""
        if not re.fullmatch(r"0|1|[01]?\.[0-9]{1,9}", value) or float(value) > 1:
            raise ImproperlyConfigured(f"{name} is {value!r}: use a number from 0 to 1, such as 0.01")
        return float(value)

    def flag(self, name: str) -> bool:
        value = (self.text(name) or "").lower()
        if value not in TRUE | FALSE:
            raise ImproperlyConfigured(f"{name} is {value!r}: use true or false")
        return value in TRUE

    def value(self, variable: Variable) -> int | bool | list[str] | str | None:
        """Return the value of a feature's variable, as its kind says."""
        match variable.kind:
            case "int":
                return self.integer(variable.name)
            case "bool":
                return self.flag(variable.name)
            case "list":
                return self.items(variable.name)
            case _:
                return self.text(variable.name)

    def items(self, name: str) -> list[str]:
        return [item.strip() for item in (self.text(name) or "").split(",") if item.strip()]

    def check(self) -> None:
        """Check every variable that is set, including those of the scripts and compose.

        Raises ImproperlyConfigured.
        """
        for name, variable in self.known.items():
            if self.text(name) is None:
                continue
            match variable.kind:
                case "int":
                    self.integer(name)
                case "bool":
                    self.flag(name)
                case "origin" | "origins":
                    self.origins(name)
                case "host":
                    check_listener(name, self.text(name) or "")
                case "networks":
                    self._networks(name)

    def _networks(self, name: str) -> None:
        for item in self.items(name):
            try:
                network_of(item)
            except ValueError:
                raise ImproperlyConfigured(f"{name} holds {item!r}: use {NETWORKS}") from None

    def _refuse_old_names(self) -> None:
        for old, new in RENAMED.items():
            if self.values.get(old):
                raise ImproperlyConfigured(f"{old} is now {new}: rename it")
        for old, reason in REMOVED.items():
            if self.values.get(old):
                raise ImproperlyConfigured(f"{old} is no longer a setting: {reason}; remove it")

    def _warn_about_misspelt(self) -> None:
        names = set(self.known) | {f"{v.name}_FILE" for v in VARIABLES if v.kind == "secret"}
        for name in self.values:
            if name in names or not name.isupper():
                continue
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.85)
            if close:
                self.misspelt[name] = close[0]
                warnings.warn(f"{name} is not a setting of Hubbub; did you mean {close[0]}?", stacklevel=3)

    def _secret(self, name: str, value: str) -> str:
        file = self.values.get(f"{name}_FILE", "").strip()
        if value and file:
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: keep one")
        if file:
            return self._read(f"{name}_FILE", file)
        mounted = Path(self.secrets, name)
        # An empty variable hides the file: an override of compose.yaml can take a secret away.
        return self._read(name, str(mounted)) if name not in self.values and _exists(mounted) else value

    @staticmethod
    def _read(name: str, file: str) -> str:
        try:
            # Windows begins a text with an invisible mark, which would be a part of the secret.
            return Path(file).read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            # A decoding error would quote a part of the file.
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ImproperlyConfigured(f"{name} cannot be read: {file}: {reason}") from None


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except PermissionError:
        # A directory that is closed to this user belongs to another program.
        return False


__all__ = ["Environment", "Variable"]
