/* Writes one word into each of PAGES pages, prints the number of the round as eight hexadecimal digits and a line feed,
   and sleeps for a hundredth of a second; for ever. S-mode, under the machine's own SBI. guests/x86/dirty.asm does the
   same. */
#ifndef PAGES
#define PAGES 1024
#endif
    .option norvc
    .section .text.start, "ax"
    .globl _start
_start:
    la s0, area
    li s1, 0
    li s2, 0x10000000
    li t0, 0x20; csrs sie, t0      /* the timer wakes wfi; sstatus.SIE stays off, so nothing traps */
    rdtime s3
round:
    addi s1, s1, 1
    mv t0, s0
    li t1, PAGES
    li t2, 4096
1:  sd s1, 0(t0)
    add t0, t0, t2
    addi t1, t1, -1
    bnez t1, 1b
    li t1, 28
2:  srl t0, s1, t1
    andi t0, t0, 15
    li t2, 10
    addi t3, t0, 48
    blt t0, t2, 3f
    addi t3, t3, 39
3:  sb t3, 0(s2)
    addi t1, t1, -4
    bgez t1, 2b
    li t3, 10
    sb t3, 0(s2)
    li t0, 100000                  /* ticks of 100 ns */
    add s3, s3, t0
    rdtime t0                      /* a round that came late does not make the next ones come early */
    bltu t0, s3, 4f
    mv s3, t0
4:  mv a0, s3
    li a6, 0
    li a7, 0x54494d45
    ecall
5:  wfi
    rdtime t0
    bltu t0, s3, 5b
    j round

    .section .bss
    .balign 4096
area: .space PAGES * 4096
