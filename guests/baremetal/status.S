#include "test.h"
/* What a kernel does with sstatus all day, in S and many times over: SIE with and without something pending, SUM around
   an access, the registers of a trap. In U the same instructions are illegal. */
#define VA 0x40000000
#define ROUNDS 60
/* QEMU 7.2 keeps bit 0 of sepc; Privileged 12.1.7 says it is always zero. */
#ifdef ORACLE_QEMU_7
#define ODD 0x80000002
#else
#define ODD 0x80000003
#endif
main:
    li t0, -1; csrw pmpaddr0, t0; li t0, 0x1f; csrw pmpcfg0, t0
    /* root[2]: identity gigapage; VA: one page for users. Software interrupts and ecalls from U are for S. */
    la s0, root
    li t0, PTE(0x80000000, V|R|W|X|A|D); sd t0, 16(s0)
    la t0, mid; srli t0, t0, 2; ori t0, t0, V; sd t0, 8(s0)
    la s1, mid
    la t0, low; srli t0, t0, 2; ori t0, t0, V; sd t0, 0(s1)
    la s2, low
    la t0, page; srli t0, t0, 2; ori t0, t0, V|R|W|U|A|D; sd t0, 0(s2)
    srli t0, s0, 12; li t1, 8 << 60; or s6, t0, t1
    li t0, 2; csrw mideleg, t0; csrw mie, t0
    la t0, interrupt; csrw stvec, t0
    li s5, VA; li s0, ROUNDS; li s1, 2; li s2, 1 << 18; li s4, 0

round:
    csrw satp, s6; sfence.vma
    jal ra, tosuper
    /* Off: what was there comes back, with UXL = 2, FS = 3 and SD. */
    CASE(1);  csrs sstatus, s1; csrrci t0, sstatus, 2; andi t1, t0, 2; EXPECT(t1, 2); bgez t0, fail
              srli t1, t0, 32; andi t1, t1, 3; EXPECT(t1, 2); srli t1, t0, 13; andi t1, t1, 3; EXPECT(t1, 3)
    CASE(2);  csrrc t0, sstatus, s1; andi t0, t0, 2; bnez t0, fail; csrrsi t0, sstatus, 2; andi t0, t0, 2; bnez t0, fail
              csrr t0, sstatus; andi t0, t0, 2; EXPECT(t0, 2); csrci sstatus, 2
    /* Pending while SIE is off: nothing, also when no bit is set; then at once, behind the instruction. */
    CASE(3);  csrsi sip, 2; csrs sstatus, zero; csrrsi t0, sstatus, 0; li t1, 0; csrs sstatus, t1; nop; bnez s4, fail
              la t3, 1f; csrsi sstatus, 2
1:            EXPECT(s4, 1); csrci sstatus, 2; li s4, 0
    CASE(4);  csrsi sip, 2; la t3, 1f; csrrs t2, sstatus, s1
1:            EXPECT(s4, 1); andi t2, t2, 2; bnez t2, fail; li s4, 0
    /* On, and nothing pending: on it stays. */
    CASE(5);  csrs sstatus, s1; nop; bnez s4, fail; la t3, 1f; csrsi sip, 2
1:            EXPECT(s4, 1); csrc sstatus, s1; li s4, 0
    /* A user's page with SUM and without, by one register: each access asks anew. */
    CASE(6);  li t0, 0x1234; csrs sstatus, s2; sd t0, 0(s5); sd t0, 8(s5); ld t1, 0(s5); bne t0, t1, fail
              csrrc t2, sstatus, s2; and t2, t2, s2; beqz t2, fail
    CASE(7);  TRY(ld t1, 8(s5)); EXPECT_TRAP(13); addi t0, s5, 8; bne s11, t0, fail; jal ra, tosuper
    CASE(8);  csrs sstatus, s2; ld t1, 16(s5); csrc sstatus, s2; TRY(ld t1, 24(s5)); EXPECT_TRAP(13); jal ra, tosuper
    CASE(9);  or t0, s1, s2; csrs sstatus, t0; ld t1, 0(s5); csrrc t1, sstatus, t0; and t1, t1, t0; bne t1, t0, fail
              TRY(sd t1, 0(s5)); EXPECT_TRAP(15); jal ra, tosuper
    /* A bit that is neither: SPP, which the interpreter sets. */
    CASE(10); li t0, 0x100; csrs sstatus, t0; csrr t1, sstatus; and t1, t1, t0; beqz t1, fail; csrc sstatus, t0
              csrr t1, sstatus; and t1, t1, t0; bnez t1, fail
    /* Registers of a trap. */
    CASE(11); li t0, 0x5555; csrw sscratch, t0; li t1, 0x6666; csrrw t1, sscratch, t1; bne t0, t1, fail
              csrr t1, sscratch; EXPECT(t1, 0x6666); csrrw zero, sscratch, t0; csrr t1, sscratch; bne t0, t1, fail
    CASE(12); li t0, ODD; csrrw zero, sepc, t0; csrr t1, sepc; li t0, 0x80000002; bne t0, t1, fail
              csrr t0, scause; li t1, 1 << 63; addi t1, t1, 1; bne t0, t1, fail; csrr t0, stval; bnez t0, fail
    /* Back to M. The same in U is illegal. */
    CASE(13); TRY(ecall); EXPECT_TRAP(9); csrw satp, zero; sfence.vma; li t6, 0x1800; csrc mstatus, t6
              la t0, 1f; csrw mepc, t0; mret
1:            TRY(csrrci t0, sstatus, 2); EXPECT_TRAP(2)
    addi s0, s0, -1
    bnez s0, round
    PASS

/* Counts in s4 and wants to come from t3. */
    .balign 4
interrupt:
    csrr t6, sepc; bne t6, t3, fail
    csrr t6, scause; slli t6, t6, 1; addi t6, t6, -2; bnez t6, fail
    csrr t6, sstatus; andi t6, t6, 2; bnez t6, fail
    csrci sip, 2
    addi s4, s4, 1
    sret

    .data
    .balign 4096
root: .space 4096
mid: .space 4096
low: .space 4096
page: .space 4096
