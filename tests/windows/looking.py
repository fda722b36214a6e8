"""Programs that run in a Windows Python and print what they see of other programs there."""

# Of each Python: priority, process id, name.
PRIORITIES = """
import ctypes
from ctypes import wintypes as w
class Entry(ctypes.Structure):
    _fields_ = [("size", w.DWORD), ("usage", w.DWORD), ("pid", w.DWORD), ("heap", ctypes.c_size_t),
        ("module", w.DWORD), ("threads", w.DWORD), ("parent", w.DWORD), ("base", w.LONG), ("flags", w.DWORD),
        ("name", ctypes.c_char * 260)]
k = ctypes.WinDLL("kernel32")
k.CreateToolhelp32Snapshot.restype = k.OpenProcess.restype = ctypes.c_void_p
snapshot, entry = ctypes.c_void_p(k.CreateToolhelp32Snapshot(2, 0)), Entry(ctypes.sizeof(Entry))
more = k.Process32First(snapshot, ctypes.byref(entry))
while more:
    if entry.name.lower() in (b"python.exe", b"pythonw.exe"):
        priority = hex(k.GetPriorityClass(ctypes.c_void_p(k.OpenProcess(0x1000, False, entry.pid))))
        print(priority, entry.pid, entry.name.decode())
    more = k.Process32Next(snapshot, ctypes.byref(entry))
"""
# Whether one can attach to a console of the process that is told, and to that of one that has its own.
CONSOLES = """
import ctypes, subprocess, sys, time
k, nothing = ctypes.WinDLL("kernel32"), subprocess.DEVNULL
wait = [sys.executable, "-c", "import time; time.sleep(60)"]
other = subprocess.Popen(wait, creationflags=0x10, stdin=nothing, stdout=nothing, stderr=nothing)
def has_console(pid):
    k.FreeConsole()
    return bool(k.AttachConsole(pid))
until = time.monotonic() + 30
while not has_console(other.pid) and time.monotonic() < until:
    time.sleep(0.2)
print(has_console(int(sys.argv[1])), has_console(other.pid))
other.kill()
"""
