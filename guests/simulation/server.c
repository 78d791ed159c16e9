/* The simulation's key-value server, for the real machine: the same small TCP and the same requests as the model guest
 * (tests/Simulation/ModelGuest.cs), over a virtio disk (slot 0) and a virtio network card (slot 1), driven by
 * interrupts. What it counts is kept in memory pages, in a control register and in a floating-point register at once,
 * and compared at each request: a copy of the machine that has lost one of them says so itself.
 *
 * Frames are Ethernet, type 0x88b5 (for local experiments), all fields little-endian:
 *   14 connection (8), 22 kind (4), 26 sequence (4), 30 acknowledgement (4), 34 length (4), 38 payload
 * The last two bytes of the card's address say how often, per mille, this replica may differ from the other. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum { DATA = 1, SYN = 2, RESET = 3, FAULT = 4 };
enum { SECTORS = 24, CONNECTIONS = 8, STREAM = 16384, SEGMENT = 40, REQUEST = 16, ANSWER = 24 };
enum { HEADER = 38, RING = 8, BUFFER = 512, VIRTIO_HEADER = 12 };

#define PLIC 0x0c000000ul
#define TIMER_COMPARE ((volatile u64 *)0x02004000ul)
#define DISK 0x10001000ul
#define CARD 0x10002000ul
#define TICK 500000ul        /* 50 ms, in ticks of 100 ns */
#define RETRANSMIT 2000000ul /* 200 ms */

struct connection {
    u64 id;
    u32 used, initial, client_initial, received, sent, acknowledged;
    u64 last_send;
    u8 request[REQUEST];
};

struct descriptor { u64 address; u32 length; u16 flags, next; };
struct queue {
    struct descriptor descriptors[RING];
    u16 available_flags, available_index, available[RING];
    u32 pad[16];
    u16 used_flags, used_index;
    struct { u32 head, length; } used[RING];
    u16 seen;
};

/* What the oracle looks at from outside: tests/Simulation/Riscv/ServerMemory.cs. */
volatile u64 consumed;
struct connection connections[CONNECTIONS];
u8 streams[CONNECTIONS][STREAM] __attribute__((aligned(4096)));

static u64 store[SECTORS][512] __attribute__((aligned(4096)));
static u64 trail[16][512] __attribute__((aligned(4096)));
static u64 served;
static struct queue disk_queue __attribute__((aligned(64)));
static struct queue receive_queue __attribute__((aligned(64))), send_queue __attribute__((aligned(64)));
static u8 receive_buffers[RING][BUFFER] __attribute__((aligned(4096)));
static u8 send_buffer[BUFFER] __attribute__((aligned(4096)));
static u32 dial;
static volatile u32 frames_waiting, tick_due;

static u32 read32(u64 address) { return *(volatile u32 *)address; }
static void write32(u64 address, u32 value) { *(volatile u32 *)address = value; }
static void fence(void) { __asm__ volatile("fence" ::: "memory"); }
static u64 now(void) { u64 t; __asm__ volatile("rdtime %0" : "=r"(t)); return t; }

static u64 get(const u8 *at, int bytes)
{
    u64 value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static void put(u8 *at, u64 value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        at[i] = (u8)value;
}

/* Differs between replicas, because their clocks do when they come here. */
static u64 noise(void)
{
    u64 value = now() * 0x9e3779b97f4a7c15ul;
    value = (value ^ (value >> 29)) * 0xbf58476d1ce4e5b9ul;
    return value ^ (value >> 32);
}

static int diverges(u32 per_mille) { return dial && noise() % 1000 < per_mille; }

/* Devices. */

static void start_queue(u64 base, int index, struct queue *queue)
{
    write32(base + 0x30, (u32)index);
    write32(base + 0x38, RING);
    write32(base + 0x80, (u32)(u64)queue->descriptors);
    write32(base + 0x84, 0);
    write32(base + 0x90, (u32)(u64)&queue->available_flags);
    write32(base + 0x94, 0);
    write32(base + 0xa0, (u32)(u64)&queue->used_flags);
    write32(base + 0xa4, 0);
    write32(base + 0x44, 1);
}

static void begin_device(u64 base)
{
    write32(base + 0x70, 0);
    write32(base + 0x70, 1);
    write32(base + 0x70, 3);
    write32(base + 0x24, 0);
    write32(base + 0x20, 0);
    write32(base + 0x24, 1); /* VERSION_1 and nothing else */
    write32(base + 0x20, 1);
    write32(base + 0x70, 11);
}

static void offer(u64 base, int index, struct queue *queue, u16 head)
{
    queue->available[queue->available_index % RING] = head;
    fence();
    queue->available_index++;
    fence();
    write32(base + 0x50, (u32)index);
}

static int take(struct queue *queue, u32 *head)
{
    fence();
    if (*(volatile u16 *)&queue->used_index == queue->seen)
        return 0;
    *head = queue->used[queue->seen++ % RING].head;
    return 1;
}

static void transfer(int write, u32 sector, u64 *value)
{
    static u8 header[16], status;
    static u64 data[64];
    u32 head;
    put(header, (u64)write, 4);
    put(header + 4, 0, 4);
    put(header + 8, sector, 8);
    for (int i = 0; i < 64; i++)
        data[i] = i ? 0 : *value;
    status = 255;
    disk_queue.descriptors[0] = (struct descriptor){ (u64)header, 16, 1, 1 };
    disk_queue.descriptors[1] = (struct descriptor){ (u64)data, 512, write ? 1 : 3, 2 };
    disk_queue.descriptors[2] = (struct descriptor){ (u64)&status, 1, 2, 0 };
    offer(DISK, 0, &disk_queue, 0);
    while (!take(&disk_queue, &head))
        ;
    *value = *(volatile u64 *)data;
}

static void send(u64 id, u32 kind, u32 sequence, u32 acknowledgement, const u8 *payload, u32 length)
{
    u8 *frame = send_buffer + VIRTIO_HEADER;
    u32 head;
    for (int i = 0; i < 12; i++)
        send_buffer[i] = 0, frame[i] = i < 6 ? 0xff : 2;
    frame[12] = 0x88, frame[13] = 0xb5;
    put(frame + 14, id, 8);
    put(frame + 22, kind, 4);
    put(frame + 26, sequence, 4);
    put(frame + 30, acknowledgement, 4);
    put(frame + 34, length, 4);
    for (u32 i = 0; i < length; i++)
        frame[HEADER + i] = payload[i];
    send_queue.descriptors[0] = (struct descriptor){ (u64)send_buffer, VIRTIO_HEADER + HEADER + length, 0, 0 };
    offer(CARD, 1, &send_queue, 0);
    while (!take(&send_queue, &head))
        ;
}

static void fault(u32 what, u32 expected, u32 found) { send(what, FAULT, expected, found, 0, 0); }

/* What it has counted, in three places. */

static void check_counts(void)
{
    u64 control, floating;
    __asm__ volatile("csrr %0, mscratch" : "=r"(control));
    __asm__ volatile("fmv.x.d %0, fs1" : "=r"(floating));
    if (control != served * 3)
        fault(1, (u32)served * 3, (u32)control);
    if (floating != served + 7)
        fault(2, (u32)served + 7, (u32)floating);
    if (trail[served % 16][served % 512] != served)
        fault(3, (u32)served, (u32)trail[served % 16][served % 512]);
}

static void count(void)
{
    served++;
    trail[served % 16][served % 512] = served;
    __asm__ volatile("csrw mscratch, %0" ::"r"(served * 3));
    __asm__ volatile("fmv.d.x fs1, %0" ::"r"(served + 7));
}

/* The small TCP. */

static struct connection *find(u64 id)
{
    for (int i = 0; i < CONNECTIONS; i++)
        if (connections[i].used && connections[i].id == id)
            return &connections[i];
    return 0;
}

static void send_part(struct connection *c, u32 offset, u32 length)
{
    send(c->id, DATA, c->initial + 1 + offset, c->client_initial + 1 + c->received, streams[c - connections] + offset, length);
}

static void append(struct connection *c, const u8 *bytes)
{
    u8 *stream = streams[c - connections];
    if (c->sent + ANSWER > STREAM) {
        fault(4, STREAM, c->sent);
        return;
    }
    for (int i = 0; i < ANSWER; i++)
        stream[c->sent + (u32)i] = bytes[i];
    fence();
    *(volatile u32 *)&c->sent += ANSWER;
}

static void execute(struct connection *c)
{
    u32 operation = (u32)get(c->request, 4), key = (u32)get(c->request + 4, 4) % SECTORS;
    u32 value = (u32)get(c->request + 8, 4), number = (u32)get(c->request + 12, 4);
    u8 answer[ANSWER];
    u64 on_disk = 0;
    check_counts();
    if (operation == 1) {
        u32 token = diverges(dial) ? (u32)noise() : value * 2654435761u + number;
        u64 copy = store[key][0] = (u64)token << 32 | value;
        transfer(1, key, &copy);
    }
    transfer(0, key, &on_disk);
    if (store[key][0] != on_disk)
        fault(5, (u32)store[key][0], (u32)on_disk);
    count();
    put(answer, number, 4);
    put(answer + 4, operation, 4);
    put(answer + 8, store[key][0], 8);
    put(answer + 16, key, 8);
    append(c, answer);
}

static void on_syn(u64 id, u32 sequence)
{
    struct connection *c = find(id);
    for (int i = 0; !c && i < CONNECTIONS; i++)
        if (!connections[i].used) {
            c = &connections[i];
            *c = (struct connection){ .id = id, .client_initial = sequence, .last_send = now() };
            /* Near the wrap of 32 bits, where unsigned comparisons go wrong. */
            c->initial = (u32)-20 + (u32)(id % 7) + (diverges(dial) ? (u32)(noise() % 1000) : 0);
            fence();
            *(volatile u32 *)&c->used = 1;
        }
    if (c)
        send(id, SYN, c->initial, c->client_initial + 1 + c->received, 0, 0);
    else
        fault(6, CONNECTIONS, 0);
}

static void on_data(struct connection *c, u32 sequence, u32 acknowledgement, const u8 *payload, u32 length)
{
    u32 acknowledged = acknowledgement - c->initial - 1, before = c->sent;
    int offset = (int)(sequence - c->client_initial - 1);
    if ((int)acknowledged > (int)c->sent) {
        fault(7, c->sent, acknowledged);
        return;
    }
    if ((int)(acknowledged - c->acknowledged) > 0)
        c->acknowledged = acknowledged;
    if (offset > (int)c->received || length == 0)
        return; /* a hole: the client sends again */
    for (u32 i = c->received - (u32)offset; i < length; i++) {
        c->request[c->received % REQUEST] = payload[i];
        *(volatile u32 *)&c->received += 1;
        if (c->received % REQUEST == 0)
            execute(c);
    }
    if (c->sent == before) {
        send_part(c, c->sent, 0);
        return;
    }
    c->last_send = now();
    while (before < c->sent) {
        /* Replicas cut the same bytes into different segments. */
        u32 most = dial ? 7 + (u32)(noise() % 34) : SEGMENT;
        u32 part = c->sent - before < most ? c->sent - before : most;
        send_part(c, before, part);
        before += part;
    }
}

static void on_frame(const u8 *frame)
{
    u64 id = get(frame + 14, 8);
    u32 kind = (u32)get(frame + 22, 4), sequence = (u32)get(frame + 26, 4);
    u32 acknowledgement = (u32)get(frame + 30, 4), length = (u32)get(frame + 34, 4);
    struct connection *c = find(id);
    if (kind == SYN)
        on_syn(id, sequence);
    else if (kind == RESET) {
        if (c)
            c->used = 0;
    } else if (!c)
        send(id, RESET, acknowledgement, 0, 0, 0);
    else
        on_data(c, sequence, acknowledgement, frame + HEADER, length);
}

static void on_tick(void)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &connections[i];
        if (c->used && c->sent > 0 && c->sent + 2048 < STREAM && diverges(dial / 50)) {
            /* Unasked, as a server sends that looks at its own clock. */
            u8 message[ANSWER] = { 0 };
            put(message + 4, 3, 4);
            put(message + 8, noise(), 8);
            append(c, message);
            c->last_send = now();
            send_part(c, c->sent - ANSWER, ANSWER);
        }
        if (c->used && c->acknowledged < c->sent && now() - c->last_send >= RETRANSMIT) {
            u32 left = c->sent - c->acknowledged;
            c->last_send = now();
            send_part(c, c->acknowledged, left < 96 ? left : 96);
        }
    }
}

/* Interrupts only note what there is to do. */
void interrupt(u64 cause, u64 at)
{
    if (cause == (1ul << 63 | 7)) {
        *TIMER_COMPARE = now() + TICK;
        tick_due = 1;
        return;
    }
    if (cause != (1ul << 63 | 11)) {
        fault(8, (u32)cause, (u32)at);
        for (;;)
            __asm__ volatile("wfi");
    }
    for (u32 source; (source = read32(PLIC + 0x200004)) != 0;) {
        u64 base = source == 1 ? DISK : CARD;
        write32(base + 0x64, read32(base + 0x60));
        frames_waiting |= source == 2;
        write32(PLIC + 0x200004, source);
    }
}

static void start(void)
{
    begin_device(DISK);
    start_queue(DISK, 0, &disk_queue);
    write32(DISK + 0x70, 15);
    for (u32 sector = 0; sector < SECTORS; sector++)
        transfer(0, sector, &store[sector][0]);
    begin_device(CARD);
    for (int i = 0; i < RING; i++) {
        receive_queue.descriptors[i] = (struct descriptor){ (u64)receive_buffers[i], BUFFER, 2, 0 };
        receive_queue.available[i] = (u16)i;
    }
    receive_queue.available_index = RING;
    start_queue(CARD, 0, &receive_queue);
    start_queue(CARD, 1, &send_queue);
    write32(CARD + 0x70, 15);
    dial = *(volatile u8 *)(CARD + 0x104) | (u32)*(volatile u8 *)(CARD + 0x105) << 8;
    write32(PLIC + 4, 1);
    write32(PLIC + 8, 1);
    write32(PLIC + 0x2000, 6);
    write32(PLIC + 0x200000, 0);
    served = 0;
    count();
    *TIMER_COMPARE = now() + TICK;
    __asm__ volatile("csrs mie, %0" ::"r"(1ul << 7 | 1ul << 11));
}

void serve(void)
{
    start();
    for (;;) {
        u32 head;
        while (!frames_waiting && !tick_due) {
            /* With interrupts off a pending one still ends wfi: nothing is missed between the look and the sleep. */
            __asm__ volatile("wfi");
            __asm__ volatile("csrsi mstatus, 8\n\tnop\n\tcsrci mstatus, 8" ::: "memory");
        }
        if (tick_due) {
            tick_due = 0;
            on_tick();
        }
        frames_waiting = 0;
        __asm__ volatile("csrsi mstatus, 8" ::: "memory");
        while (take(&receive_queue, &head)) {
            on_frame(receive_buffers[head] + VIRTIO_HEADER);
            fence();
            consumed++;
            offer(CARD, 0, &receive_queue, (u16)head);
        }
        __asm__ volatile("csrci mstatus, 8" ::: "memory");
    }
}
