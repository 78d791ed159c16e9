#include "test.h"
/* CSR rules: existence, read-only, privilege, WARL fields, counters. */
main:
    CASE(1); TRY(csrr t0, 0x7c0); EXPECT_TRAP(2)
    CASE(2); TRY(csrw mhartid, zero); EXPECT_TRAP(2)
    CASE(3); csrr t0, misa; li t1, 0x14112d; slli t0, t0, 2; srli t0, t0, 2; bne t0, t1, fail
    CASE(4); li t0, -1; csrw medeleg, t0; csrr t1, medeleg; li t2, 0xb3ff; and t1, t1, t2; EXPECT(t1, 0xb3ff); csrw medeleg, zero
    CASE(5); li t0, -1; csrw mideleg, t0; csrr t1, mideleg; li t2, 0x222; and t1, t1, t2; EXPECT(t1, 0x222); csrw mideleg, zero
    CASE(6); li t0, 5 << 60; csrw satp, t0; csrr t1, satp; EXPECT(t1, 0)
#ifndef ORACLE_QEMU_7
    /* Sv57, which QEMU has. */
    li t0, 10 << 60; csrw satp, t0; csrr t1, satp; EXPECT(t1, 0)
#endif
    CASE(7); li t0, 0x8ffff00000080000; csrw satp, t0; csrr t1, satp; li t2, 0x8ffff00000080000
             bne t1, t2, fail; csrw satp, zero
#ifndef ORACLE_QEMU_7
    /* MPP = 2 does not exist and leaves the field as it was; QEMU 7.2 stores it. */
    CASE(8); li t0, 0x1800; csrs mstatus, t0; li t0, 0x800; csrc mstatus, t0; csrr t1, mstatus; li t2, 0x1800
             and t1, t1, t2; EXPECT(t1, 0x1800)
#endif
    CASE(9); csrr t0, minstret; csrr t1, minstret; sub t1, t1, t0; EXPECT(t1, 1)
#ifndef ORACLE_QEMU_7
    /* A write counts after the instruction that makes it; QEMU's counter has moved on by then. */
    CASE(10); li t0, 100; csrw minstret, t0; csrr t1, minstret; EXPECT(t1, 100)
#endif
    CASE(11); li t0, 4; csrs mcountinhibit, t0; csrr t0, minstret; nop; csrr t1, minstret; bne t0, t1, fail
              csrw mcountinhibit, zero
    CASE(12); li t0, 0x6000; csrc mstatus, t0; TRY(csrr t1, fcsr); EXPECT_TRAP(2)
    CASE(13); TRY(fadd.d fa0, fa0, fa0); EXPECT_TRAP(2)
    CASE(14); li t0, 0x2000; csrs mstatus, t0; csrr t1, mstatus; bltz t1, fail; fmv.d.x fa0, zero; csrr t1, mstatus
              bgez t1, fail
    CASE(15); li t0, 0xe0; csrw fcsr, t0; TRY(fadd.d fa0, fa0, fa0); EXPECT_TRAP(2); csrw fcsr, zero
    CASE(16); li t0, 0xb; csrw mtvec, t0; csrr t1, mtvec; la t0, trap; csrw mtvec, t0; andi t1, t1, 3; li t0, 2
              beq t1, t0, fail
    CASE(17); TRY(.word 0); EXPECT_TRAP(2); bnez s11, fail
    CASE(18); TRY(ebreak); EXPECT_TRAP(3)
    CASE(19); TRY(ecall); EXPECT_TRAP(11)
    /* Delegation: an illegal instruction in U goes to S with the right cause, pc and previous mode. */
    CASE(20); la t0, strap; csrw stvec, t0; li t0, 4; csrw medeleg, t0; la t0, user; csrw mepc, t0
              li t0, 0x1800; csrc mstatus, t0
              li t0, -1; csrw pmpaddr0, t0; li t0, 0x1f; csrw pmpcfg0, t0
              mret
user:
    .word 0
    j fail
    .balign 4
strap:
    csrr t0, scause; EXPECT(t0, 2)
    csrr t0, sepc; la t1, user; bne t0, t1, fail
    CASE(21); csrr t0, sstatus; andi t0, t0, 0x100; bnez t0, fail
    CASE(22); TRY(ecall); EXPECT_TRAP(9); csrw medeleg, zero; jal ra, tosuper; TRY(csrr t0, mstatus); EXPECT_TRAP(2)
    /* The trap above returned to M-mode; rdtime from U needs both enables. */
    CASE(23); csrw mcounteren, zero; li t0, -1; csrw scounteren, t0; jal ra, touser; TRY(rdtime t0); EXPECT_TRAP(2)
    CASE(24); li t0, 2; csrw mcounteren, t0; jal ra, touser; TRY(rdtime t0); EXPECT(s10, -1); TRY(ecall); EXPECT_TRAP(8)
    CASE(25); csrw scounteren, zero; jal ra, touser; TRY(rdtime t0); EXPECT_TRAP(2)
    /* TVM, TW, TSR trap in S. */
    CASE(26); li t0, 1 << 20; csrs mstatus, t0; jal ra, tosuper; TRY(csrr t0, satp); EXPECT_TRAP(2)
    CASE(27); jal ra, tosuper; TRY(sfence.vma); EXPECT_TRAP(2)
    CASE(28); li t0, 1 << 21; csrs mstatus, t0; jal ra, tosuper; TRY(wfi); EXPECT_TRAP(2)
    CASE(29); li t0, 1 << 22; csrs mstatus, t0; jal ra, tosuper; TRY(sret); EXPECT_TRAP(2)
    CASE(30); jal ra, tosuper; TRY(mret); EXPECT_TRAP(2)
    PASS

/* jal ra, touser: goes on in U-mode. */
touser:
    csrw mepc, ra
    li t6, 0x1800
    csrc mstatus, t6
    mret
