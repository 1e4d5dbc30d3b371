"""What happens when a worker dies or user code raises, as the config says it."""

from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from runner.config.keys import Keys

_MOST = 1_000_000


class _Policy(Keys):
    """A policy, and a count that means something beside one policy only: beside others it is no part of the config."""

    counted: ClassVar[tuple[str, str]]
    """The policy, and the key that counts for it."""

    policy: str

    @model_validator(mode="after")
    def _without_what_counts_for_nothing(self) -> "_Policy":
        policy, key = self.counted
        if self.policy == policy:
            return self
        return self.model_copy(update={key: type(self).model_fields[key].default})

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> Any:
        policy, key = self.counted
        written = handler(self)
        if self.policy != policy:
            written.pop(key, None)
        return written


class DeathConfig(_Policy):
    """What happens when a worker process dies; resolved: `policy` fits the kinds of the queues."""

    what: ClassVar[str] = "what happens when a worker dies"
    counted: ClassVar[tuple[str, str]] = ("restart", "max_restarts")

    policy: Literal["restart", "fail", "continue"] = Field(
        "restart",
        description="restart: a new process takes its place; fail: the run ends; continue: without it. "
        "Left out where a lock-based kind is used: fail",
    )
    max_restarts: int = Field(3, ge=0, le=_MOST, description="restart: so many new processes per worker name")


class ErrorConfig(_Policy):
    """What happens to an item whose user code raises."""

    what: ClassVar[str] = "what happens when user code raises"
    counted: ClassVar[tuple[str, str]] = ("retry", "retries")

    policy: Literal["fail", "skip", "retry"] = Field(
        "fail",
        description="fail: the run ends; skip: the item counts as failed; retry: user code is called again",
    )
    retries: int = Field(3, ge=1, le=_MOST, description="retry: so many more calls of an item, then fail")
