/* Wine 8.0 has no bcryptprimitives.dll, which gRPC loads for random numbers; for tests only. */

#define EXPORT __declspec(dllexport)

__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *buffer, unsigned long size);

EXPORT int __stdcall ProcessPrng(unsigned char *buffer, __UINTPTR_TYPE__ size)
{
    for (; size > 0x10000000; size -= 0x10000000, buffer += 0x10000000)
        if (!SystemFunction036(buffer, 0x10000000))
            return 0;
    return SystemFunction036(buffer, (unsigned long)size);
}

int __stdcall DllMain(void *instance, unsigned long reason, void *reserved) { return 1; }
