/* A pdh.dll for boot images that have none: it is there to be loaded, and says that there are no counters.
 * Performance Data Helper reference, learn.microsoft.com/windows/win32/api/pdh. No C runtime, no imports. */

#define PDH_NO_DATA ((long)0x800007D5)
#define EXPORT __declspec(dllexport) long __stdcall

EXPORT PdhOpenQueryW(const void *source, __UINTPTR_TYPE__ user, void **query) { return PDH_NO_DATA; }
EXPORT PdhAddEnglishCounterW(void *query, const void *path, __UINTPTR_TYPE__ user, void **counter) { return PDH_NO_DATA; }
EXPORT PdhCollectQueryData(void *query) { return PDH_NO_DATA; }
EXPORT PdhCollectQueryDataEx(void *query, unsigned long interval, void *event) { return PDH_NO_DATA; }
EXPORT PdhGetFormattedCounterValue(void *counter, unsigned long form, void *kind, void *value) { return PDH_NO_DATA; }
EXPORT PdhRemoveCounter(void *counter) { return PDH_NO_DATA; }
EXPORT PdhCloseQuery(void *query) { return PDH_NO_DATA; }

int __stdcall DllMain(void *instance, unsigned long reason, void *reserved) { return 1; }
