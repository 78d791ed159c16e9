/* Copies 8 MiB between two buffers 16 MiB apart: both streams fall on the same slots of a direct-mapped TLB. */
typedef unsigned long u64;

#ifndef ROUNDS
#define ROUNDS 24
#endif

int main(void)
{
    volatile u64 *source = (volatile u64 *)0x82000000;
    volatile u64 *target = (volatile u64 *)0x83000000;
    const u64 words = (8ul << 20) / sizeof(u64);
    for (u64 i = 0; i < words; i++)
        source[i] = i * 0x9e3779b97f4a7c15ul;
    for (int round = 0; round < ROUNDS; round++)
        for (u64 i = 0; i < words; i += 4) {
            u64 a = source[i], b = source[i + 1], c = source[i + 2], d = source[i + 3];
            target[i] = a;
            target[i + 1] = b;
            target[i + 2] = c;
            target[i + 3] = d;
        }
    for (u64 i = 0; i < words; i++)
        if (target[i] != i * 0x9e3779b97f4a7c15ul)
            return 1;
    return 0;
}
