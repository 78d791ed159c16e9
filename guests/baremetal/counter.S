/* Counts for ever, writes the count to 256 pages in turn, and prints it in hexadecimal now and then. */
    .option norvc
    .section .text.start, "ax"
    .globl _start
_start:
    la s0, area
    li s1, 0
    li s2, 0x10000000
    li s4, 255
next:
    li s3, 50000
1:  addi s1, s1, 1
    and t0, s1, s4
    slli t0, t0, 12
    add t0, t0, s0
    sd s1, 0(t0)
    addi s3, s3, -1
    bnez s3, 1b
    li t1, 60
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
    j next

    .section .bss
    .balign 4096
area: .space 1048576
