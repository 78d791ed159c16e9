# Enters C in S-mode under an SBI: hart 0 at _start, the others at second, each with a stack of 16 KiB.
    .section .text.start, "ax"
    .globl _start, second
_start:
second:
    li t0, 0x6000
    csrs sstatus, t0
    la sp, stacks
    addi t0, a0, 1
    slli t0, t0, 14
    add sp, sp, t0
    beqz a0, 1f
    call other
2:  wfi
    j 2b
1:  call first
    # System reset: power off, with reason "failure" when a test has failed.
    snez a1, a0
    li a0, 0
    li a6, 0
    li a7, 0x53525354
    ecall
    j 2b
    .bss
    .balign 4096
stacks:
    .space 8 * 16384
