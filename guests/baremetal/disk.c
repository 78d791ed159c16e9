/* Writes a page of its disk (virtio, slot 0) every 10 ms, for ever, and reads it back. After each tenth it flushes, and
 * prints how many it has written, sixteen hexadecimal digits a line. A page that does not read as it was written is a line
 * "BAD", a request that fails a line "ERR". For each 'w' that is typed it writes 512 KiB more, and prints "DONE". From a 'd'
 * on, which it answers with "DIRTIES", until the next byte it does nothing but write to all pages of 10 MiB of memory.
 * S-mode under the machine's own SBI, one hart, no interrupts. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum { RING = 8, PAGE = 4096, PIECE = 65536, BURST = 8 };

#define UART ((volatile u8 *)0x10000000ul)
#define DISK 0x10001000ul
#define TICK 100000ul /* 10 ms, in ticks of 100 ns */

static struct {
    struct { u64 address; u32 length; u16 flags, next; } descriptors[RING];
    u16 available_flags, available_index, available[RING];
    u32 pad[16];
    u16 used_flags, used_index;
    struct { u32 head, length; } used[RING];
} queue __attribute__((aligned(64)));
static u8 data[PIECE] __attribute__((aligned(PAGE)));
static u8 area[10 << 20] __attribute__((aligned(PAGE)));
static u64 capacity;
u8 stack[8192] __attribute__((aligned(16)));

__asm__(".section .text.start, \"ax\"\n"
        ".globl _start\n"
        "_start: la sp, stack + 8192\n"
        "j work\n"
        ".text\n");

static u32 read32(u64 address) { return *(volatile u32 *)address; }
static void write32(u64 address, u32 value) { *(volatile u32 *)address = value; }
static void fence(void) { __asm__ volatile("fence" ::: "memory"); }

static void print(const char *text)
{
    while (*text)
        *UART = (u8)*text++;
}

static void print_count(u64 count)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *UART = (u8)"0123456789abcdef"[count >> shift & 15];
    print("\n");
}

static void begin_disk(void)
{
    write32(DISK + 0x70, 0);
    write32(DISK + 0x70, 1);
    write32(DISK + 0x70, 3);
    write32(DISK + 0x24, 0);
    write32(DISK + 0x20, 1 << 9); /* FLUSH and VERSION_1 */
    write32(DISK + 0x24, 1);
    write32(DISK + 0x20, 1);
    write32(DISK + 0x70, 11);
    write32(DISK + 0x30, 0);
    write32(DISK + 0x38, RING);
    write32(DISK + 0x80, (u32)(u64)queue.descriptors);
    write32(DISK + 0x84, 0);
    write32(DISK + 0x90, (u32)(u64)&queue.available_flags);
    write32(DISK + 0x94, 0);
    write32(DISK + 0xa0, (u32)(u64)&queue.used_flags);
    write32(DISK + 0xa4, 0);
    write32(DISK + 0x44, 1);
    write32(DISK + 0x70, 15);
    capacity = ((u64)read32(DISK + 0x104) << 32 | read32(DISK + 0x100)) * 512;
}

enum { READ = 0, WRITE = 1, FLUSH = 4 };

static void request(u32 type, u64 offset, u32 length)
{
    static struct { u32 type, reserved; u64 sector; } header;
    static volatile u8 status;
    static u16 seen;
    header.type = type;
    header.sector = offset / 512;
    status = 255;
    queue.descriptors[0].address = (u64)&header, queue.descriptors[0].length = 16;
    queue.descriptors[0].flags = 1, queue.descriptors[0].next = type == FLUSH ? 2 : 1;
    queue.descriptors[1].address = (u64)data, queue.descriptors[1].length = length;
    queue.descriptors[1].flags = type == WRITE ? 1 : 3, queue.descriptors[1].next = 2;
    queue.descriptors[2].address = (u64)&status, queue.descriptors[2].length = 1;
    queue.descriptors[2].flags = 2;
    queue.available[queue.available_index % RING] = 0;
    fence();
    queue.available_index++;
    fence();
    write32(DISK + 0x50, 0);
    while (*(volatile u16 *)&queue.used_index == seen)
        ;
    seen++;
    write32(DISK + 0x64, read32(DISK + 0x60));
    fence();
    if (status != 0)
        print("ERR\n");
}

static void fill(u64 value, u32 length)
{
    for (u32 at = 0; at < length; at += 8)
        *(volatile u64 *)(data + at) = value + at;
}

static void check(u64 value, u32 length)
{
    for (u32 at = 0; at < length; at += 8)
        if (*(volatile u64 *)(data + at) != value + at) {
            print("BAD\n");
            return;
        }
}

static void sleep(void)
{
    register u64 until __asm__("a0");
    register u64 function __asm__("a6") = 0;
    register u64 extension __asm__("a7") = 0x54494d45;
    __asm__ volatile("rdtime %0" : "=r"(until));
    until += TICK;
    __asm__ volatile("ecall" : "+r"(until) : "r"(function), "r"(extension) : "a1", "memory");
    __asm__ volatile("wfi");
}

void work(void)
{
    u64 count = 0, burst = 0;
    begin_disk();
    __asm__ volatile("csrs sie, %0" ::"r"(1ul << 5)); /* wakes wfi; sstatus.SIE stays off, so nothing traps */
    for (;;) {
        u64 offset = count * PAGE % (capacity / 2);
        fill(count << 20, PAGE);
        request(WRITE, offset, PAGE);
        fill(0, PAGE);
        request(READ, offset, PAGE);
        check(count << 20, PAGE);
        if (++count % 10 == 0) {
            request(FLUSH, 0, 0);
            print_count(count);
        }
        u8 typed = UART[5] & 1 ? UART[0] : 0;
        if (typed == 'd') {
            print("DIRTIES\n");
            for (u64 round = 1; !(UART[5] & 1); round++)
                for (u32 at = 0; at < sizeof area; at += PAGE)
                    *(volatile u64 *)(area + at) = round;
        }
        if (typed == 'w') {
            for (int i = 0; i < BURST; i++) {
                fill(++burst << 20, PIECE);
                request(WRITE, capacity / 2 + burst * PIECE % (capacity / 2), PIECE);
            }
            print("DONE\n");
        }
        sleep();
    }
}
