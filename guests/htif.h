/* The two words by which a program and its machine talk (HTIF): an odd value in tohost ends the program, the rest of it
   is the exit code. */
    .section .tohost, "aw"
    .globl tohost
    .balign 64
    .size tohost, 8
tohost: .dword 0
    .balign 64
    .globl fromhost
    .size fromhost, 8
fromhost: .dword 0
