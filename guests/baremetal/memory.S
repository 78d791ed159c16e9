#include "test.h"
/* Misaligned accesses, atomics, LR/SC, PMP, access faults, self-modifying code. */
main:
    la s0, area
    CASE(1); li t0, 0x1122334455667788; sd t0, 3(s0); ld t1, 3(s0); bne t0, t1, fail; lhu t1, 5(s0); EXPECT(t1, 0x5566)
    CASE(2); li t2, 4093; add t2, t2, s0; sd t0, 0(t2); ld t1, 0(t2); bne t0, t1, fail; lbu t1, 3(t2); EXPECT(t1, 0x55)
    CASE(3); addi t2, s0, 2; TRY(lr.w t1, (t2)); EXPECT_TRAP(4); bne s11, t2, fail
    CASE(4); TRY(amoadd.w t1, t0, (t2)); EXPECT_TRAP(AMO_MISALIGNED)
    CASE(5); TRY(ld t1, 0(zero)); EXPECT_TRAP(5); TRY(sd t1, 8(zero)); EXPECT_TRAP(7); EXPECT(s11, 8)
    CASE(6); la s9, 1f; jr zero
1:           EXPECT_TRAP(1); bnez s11, fail
    CASE(7); sd zero, 0(s0); lr.d t0, (s0); li t1, 5; sc.d t2, t1, (s0); bnez t2, fail; ld t0, 0(s0); EXPECT(t0, 5)
    CASE(8); sc.d t2, t1, (s0); beqz t2, fail
    CASE(9); lr.d t0, (s0); li t1, 9; sd t1, 0(s0); sc.d t2, zero, (s0); beqz t2, fail; ld t0, 0(s0); EXPECT(t0, 9)
    CASE(10); lr.w t0, (s0); addi t3, s0, 8; sc.w t2, zero, (t3); beqz t2, fail
    /* Self-modifying code: the patched instruction counts after fence.i. */
    CASE(11); jal ra, patched; EXPECT(a0, 1); la t0, patched; li t1, 0x00200513; sw t1, 0(t0); fence.i
              jal ra, patched; EXPECT(a0, 2)
    CASE(12); li s1, 100; la t0, patched; li t1, 0x00000513
1:            sw t1, 0(t0); fence.i; jal ra, patched; li t2, 1 << 20; add t1, t1, t2; addi s1, s1, -1; bnez s1, 1b
              EXPECT(a0, 99)
    /* Data beside code in one page: no effect on the code, however often. */
    CASE(13); li s1, 1000; la t0, beside
1:            sd s1, 0(t0); jal ra, patched; ld t1, 0(t0); bne t1, s1, fail; addi s1, s1, -1; bnez s1, 1b; EXPECT(a0, 99)
    /* PMP: a read-only NAPOT page for S, a locked entry also for M. */
    CASE(14); srli t0, s0, 2; ori t0, t0, 0x1ff; csrw pmpaddr0, t0; li t0, -1; csrw pmpaddr1, t0; li t0, 0x1f19
              csrw pmpcfg0, t0; sd zero, 0(s0); jal ra, tosuper; TRY(ld t1, 0(s0)); EXPECT(s10, -1); TRY(sd t1, 0(s0))
              EXPECT_TRAP(7)
    CASE(15); li t0, 0x1f98; csrw pmpcfg0, t0; TRY(ld t1, 0(s0)); EXPECT_TRAP(5)
    CASE(16); csrw pmpcfg0, zero; csrr t0, pmpcfg0; EXPECT(t0, 0x98); csrw pmpaddr0, zero; csrr t0, pmpaddr0; beqz t0, fail
    /* Four bytes that nobody may touch: the rest of the page works. */
    CASE(17); la t2, area + 4096; srli t0, t2, 2; csrw pmpaddr2, t0; csrr t1, pmpaddr1; li t0, 0x1f1098
              csrw pmpaddr1, t1; srli t0, t2, 2; csrw pmpaddr1, t0; li t0, -1; csrw pmpaddr2, t0; li t0, 0x1f1098
              csrw pmpcfg0, t0; jal ra, tosuper; TRY(ld t1, 8(t2)); EXPECT(s10, -1); TRY(lw t1, 0(t2)); EXPECT_TRAP(5)
    CASE(18); jal ra, tosuper; TRY(ld t1, 8(t2)); EXPECT(s10, -1); TRY(ld t1, -4(t2)); EXPECT_TRAP(5); TRY(lw t1, 4(t2))
              EXPECT(s10, -1)
    PASS

    .balign 64
patched:
    li a0, 1
    ret
    .balign 8
beside: .dword 0
    .data
    .balign 4096
area: .space 12288
