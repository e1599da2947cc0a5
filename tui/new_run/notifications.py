"""The notifications of a new run: the settings' webhook and rules, with the texts that were typed over them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import msgspec

from core.runs.notices import FORMATS, Format, NotifyRules, Webhook, check_webhook
from core.training.fields import Field, decode_value, encode_value, fields_of
from core.util.errors import UserError
from core.util.text import field_docs
from tui.shell.settings import Settings

_ABOUT = field_docs(Settings)
FIELDS = {
    "webhook": Field("webhook", (str,), False, False, _ABOUT["webhook"]),
    "webhook_format": Field("webhook_format", (Format,), False, False, _ABOUT["webhook_format"]),
    **{rule.name: rule for rule in fields_of(NotifyRules, "notify.")},
}
"""Name → field; the rules begin with ``notify.``."""


class FieldError(UserError):
    """A field of the form is invalid; ``field`` is its name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Notifications:
    settings: Settings = field(default_factory=Settings)
    typed: Mapping[str, str] = field(default_factory=dict)
    """Field → text, where it is not the settings'."""

    def text(self, name: str) -> str:
        return self.typed.get(name, self.base_text(name))

    def base_text(self, name: str) -> str:
        """The settings' value. Their address, which may be a secret, is used but not shown."""
        if name == "webhook":
            return ""
        rule = name.removeprefix("notify.")
        return FIELDS[name].text(getattr(self.settings if rule == name else self.settings.notify, rule))

    def with_text(self, name: str, text: str) -> Self:
        others = {one: typed for one, typed in self.typed.items() if one != name}
        return replace(self, typed=others if text.strip() == self.base_text(name) else others | {name: text})

    def mistake(self, name: str) -> str:
        """What is wrong with a field; empty if nothing is."""
        try:
            self.webhook()
        except FieldError as error:
            return str(error) if error.field == name else ""
        return ""

    def webhook(self) -> Webhook | None:
        """What is posted where, or None.

        Raises:
            FieldError: a text is not a value of its field, or there is no address for what was typed.
        """
        rules = self._rules()
        name = self.text("webhook_format").strip()
        format: Format = next((one for one in FORMATS if one == name), "auto")
        webhook = self.settings.webhook_for(self.text("webhook").strip(), format, rules)
        if webhook is None:
            if self.typed:
                raise FieldError("webhook", "Webhook: enter the address that the notifications are posted to.")
            return None
        try:
            check_webhook(webhook)
        except UserError as error:
            raise FieldError("webhook", f"Webhook: {error}.") from error
        return webhook

    def _rules(self) -> NotifyRules:
        """
        Raises:
            FieldError: a rule's text is invalid.
        """
        plain = {}
        for name in self.typed:
            if name.startswith("notify."):
                try:
                    plain[name.removeprefix("notify.")] = FIELDS[name].parse(self.typed[name])
                    rules_with(self.settings.notify, plain)
                except ValueError as error:  # msgspec.ValidationError, too
                    what = str(error).partition(" - at ")[0].replace("`", "")
                    raise FieldError(name, f"{FIELDS[name].label}: {what[0].lower()}{what[1:]}.") from error
        return rules_with(self.settings.notify, plain)

    def options(self) -> list[str]:
        """The options of ``train`` that say the same.

        Raises:
            FieldError: a field is invalid.
        """
        webhook = self.webhook()
        if webhook is None:
            return []
        words = ["--webhook", webhook.url] if "webhook" in self.typed else []
        words += ["--webhook-format", webhook.format] if "webhook_format" in self.typed else []
        rules = [name.removeprefix("notify.") for name in self.typed if name.startswith("notify.")]
        for rule in rules:
            words += ["--notify", f"{rule}={encode_value(getattr(webhook.rules, rule))}"]
        return words


def rules_with(rules: NotifyRules, changes: Mapping[str, Any]) -> NotifyRules:
    """The rules with other values.

    Raises:
        msgspec.ValidationError: a value does not fit its rule.
    """
    return msgspec.convert(msgspec.to_builtins(rules) | changes, NotifyRules)


def rules_from(options: list[str], rules: NotifyRules) -> NotifyRules:
    """The rules with what ``--notify RULE=VALUE`` says.

    Raises:
        ValueError: the rule does not exist, or the value does not fit it; the message says which.
    """
    changes: dict[str, object] = {}
    for option in options:
        rule, _, value = option.partition("=")
        if rule not in NotifyRules.__struct_fields__:
            raise ValueError(f"there is no rule {rule!r} (rules: {', '.join(NotifyRules.__struct_fields__)})")
        changes[rule] = decode_value(value.strip())
        try:
            rules_with(rules, changes)
        except msgspec.ValidationError as error:
            raise ValueError(f"{rule}: {str(error).partition(' - at ')[0].replace('`', '')}") from error
    return rules_with(rules, changes)
