#include "test.h"
/* Interrupts: enables, delegation, priority, vectored mode, WFI, Sstc. */
main:
    li t0, -1; csrw pmpaddr0, t0; li t0, 0x1f; csrw pmpcfg0, t0
    CASE(1); csrs mip, 2; csrr t0, mip; andi t0, t0, 2; beqz t0, fail
    /* Pending and enabled, but MIE is off: nothing; then taken at once. */
    CASE(2); li s10, -1; csrs mie, 2; nop; EXPECT(s10, -1); la s9, 1f; csrs mstatus, 8; j fail
1:           li t0, 1 << 63; addi t0, t0, 1; bne s10, t0, fail; csrc mstatus, 8; csrc mip, 2
    /* Priority: software before timer, both delegated ones after machine's. */
    CASE(3); li t0, 0x222; csrs mie, t0; csrs mip, t0; la s9, 1f; csrs mstatus, 8; j fail
1:           li t0, 1 << 63; addi t0, t0, 9; bne s10, t0, fail; csrc mstatus, 8; li t0, 0x200; csrc mip, t0
    CASE(4); la s9, 1f; csrs mstatus, 8; j fail
1:           li t0, 1 << 63; addi t0, t0, 1; bne s10, t0, fail; csrc mstatus, 8
    /* Delegated to S: not taken in M, taken in S when SIE is on. */
    CASE(5); li t0, 0x222; csrw mideleg, t0; li s10, -1; csrs mstatus, 8; nop; EXPECT(s10, -1); csrc mstatus, 8
    CASE(6); la t0, vector; ori t0, t0, 1; csrw stvec, t0; li t0, 0x1800; csrc mstatus, t0; li t0, 0x802
             csrs mstatus, t0; li t0, 0x80; csrs mstatus, t0; la t0, 1f; csrw mepc, t0; mret
1:           j fail
software:
    csrr t0, scause; li t1, 1 << 63; addi t1, t1, 1; bne t0, t1, fail
    csrr t0, sstatus; andi t0, t0, 2; bnez t0, fail
    /* In S now: clear SSIP, return with SIE; the timer comes next. */
    CASE(7); csrc sip, 2; la t0, 1f; csrw sepc, t0; sret
1:           j fail
timer:
    csrr t0, scause; li t1, 1 << 63; addi t1, t1, 5; bne t0, t1, fail
    /* WFI with something pending in mie goes on even with SIE off. */
    CASE(8); wfi; TRY(ecall); EXPECT_TRAP(9)
    /* Sstc: stimecmp drives STIP, which software cannot write any more. */
    CASE(9); li t0, 1 << 63; csrs menvcfg, t0; li t1, -1; csrw 0x14d, t1; csrr t0, mip; andi t0, t0, 0x20; bnez t0, fail
    CASE(10); li t0, 0x20; csrs mip, t0; csrr t0, mip; andi t0, t0, 0x20; bnez t0, fail
    CASE(11); csrw 0x14d, zero; csrr t0, mip; andi t0, t0, 0x20; beqz t0, fail
    CASE(12); li t1, -1; csrw 0x14d, t1; csrr t0, mip; andi t0, t0, 0x20; bnez t0, fail
    CASE(13); li t0, 1 << 63; csrc menvcfg, t0; li t0, 0x1800; csrc mstatus, t0; li t0, 0x800; csrs mstatus, t0
              li t0, 2; csrs mcounteren, t0; la t0, 1f; csrw mepc, t0; mret
1:            TRY(csrw 0x14d, zero); EXPECT_TRAP(2)
    PASS
    .balign 4
vector:
    j fail
    j software
    j fail
    j fail
    j fail
    j timer
