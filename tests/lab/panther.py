"""What does Windows Setup write about its talk with the WDS server? Synthetic logs in the real columns."""

from __future__ import annotations

from datetime import datetime, timedelta

_NO_SERVER = "[0x800706BA].[gle=0x000006ba]"
# Seconds after the start, level, message id, text. The component is IBS throughout.
_START = (
    (0, "Info", "[0x060169]", "InstallWindows:Install Path = X:\\Sources"),
    (0, "Info", "[0x0601d7]", "InstallWindows:Setup architecture is [x64]"),
    (0, "Info", "", "InstallWindows:Build version is 10.0.19041.1"),
    (1, "Info", "", "LoadWorkerModules:Successfully added worker module WdsClient in wdsclient.dll"),
    (1, "Info", "", "Callback_BootEnvironmentDetect:FirmwareType 2."),
    (1, "Info", "", "Callback_BootEnvironmentDetect:Detected boot environment: UEFI"),
)
# The name of the RPC error is misspelt in published logs too.
_RETRY = "InitializeLogging: RPC_S_SERVER_UNABAILABLE - Retrying server request for initializing logging."
_DETECT = "CallBack_WdsClient_DetectWdsMode: Failed to create client session or initialize WDS unattend."
_UNANSWERED = (
    (2, "Info", "", _RETRY),
    (23, "Error", "", f"CreateClientSession: Failed to initialize Client -> Server logging. Error code {_NO_SERVER}"),
    (23, "Error", "", f"CreateClientSession: Failed to create client session. Error code {_NO_SERVER}"),
    (23, "Error", "", f"{_DETECT} Error {_NO_SERVER}"),
)
_ANSWERED = (
    (2, "Info", "", "Callback_ImageSelection:1 image found."),
    (3, "Info", "", "Setup has started phase 2"),
)


def setupact_log(began: datetime, *, answered: bool) -> bytes:
    """The file as Setup leaves it: UTF-8 with a byte order mark, CRLF, local time without a zone."""
    lines = (_line(began, *row) for row in _START + (_ANSWERED if answered else _UNANSWERED))
    return b"\xef\xbb\xbf" + "".join(lines).encode()


def _line(began: datetime, after_s: int, level: str, message_id: str, text: str) -> str:
    stamp = (began + timedelta(seconds=after_s)).strftime("%Y-%m-%d %H:%M:%S")
    return f"{stamp}, {level:<10} {message_id:<10} {'IBS':<6} {text}\r\n"
