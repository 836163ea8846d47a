"""Structured logs with request and session ids, and never a token."""

from __future__ import annotations

import logging
import re
import sys

import structlog
from structlog.types import EventDict, WrappedLogger

from cluster.settings import Settings

# Anything shaped like a JWT, wherever it turns up: in a message, a URL, an exception's text.
TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
REDACTED = "[token]"


def redact(text: str) -> str:
    """Return ``text`` with every token replaced."""
    return TOKEN.sub(REDACTED, text)


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


class _RedactingFilter(logging.Filter):
    """Covers the standard library's loggers, ours and other packages'."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if TOKEN.search(message):
            record.msg, record.args = redact(message), ()
        return True


def configure_logging(settings: Settings) -> None:
    """Set this process's logging up. Call once, at start."""
    # The process's own stderr, which Ray keeps in a file: Serve puts a logger of its own over
    # `sys.stderr` and over `print`, which cut what is written there into pieces.
    stderr = sys.__stderr__ or sys.stderr
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.log_level]
        ),
        logger_factory=structlog.WriteLoggerFactory(stderr),
        cache_logger_on_first_use=True,
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(_RedactingFilter())


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that carries ``module=name``."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger
