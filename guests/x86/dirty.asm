; Writes one word into each of PAGES pages from 1 MiB on, prints the number of the round on the first serial port as eight
; hexadecimal digits and a line feed, and halts until the next tick of a clock of 100 ticks a second; for ever.
; guests/bench/dirty.S does the same. It halts in real mode, where the BIOS takes the tick, and writes in protected mode
; with interrupts off. Build: nasm -f bin [-DPAGES=1024] dirty.asm
%ifndef PAGES
%define PAGES 1024
%endif
        bits 16
        org 0x7c00
start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        in al, 0x92             ; address line 20
        or al, 2
        and al, 0xfe
        out 0x92, al
        mov al, 0x34            ; the clock: 1193182 / 11932
        out 0x43, al
        mov al, 11932 & 255
        out 0x40, al
        mov al, 11932 >> 8
        out 0x40, al
        mov dword [count], 0
round:  cli
        inc dword [count]
        mov ebx, [count]
        lgdt [segments]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 8:inside
inside: mov ax, 16
        mov es, ax
        mov edi, 0x100000
        mov ecx, PAGES
page:   mov [es:edi], ebx
        add edi, 4096
        dec ecx
        jnz page
        mov ax, 24              ; limits as real mode has them
        mov es, ax
        mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        jmp 0:outside
outside:
        xor ax, ax
        mov es, ax
        mov cx, 8
digit:  rol ebx, 4
        mov al, bl
        and al, 15
        add al, '0'
        cmp al, '9'
        jbe out1
        add al, 'a' - '0' - 10
out1:   call put
        loop digit
        mov al, 10
        call put
        sti
        hlt
        jmp round
put:    mov ah, al
        mov dx, 0x3fd
wait1:  in al, dx
        test al, 0x20
        jz wait1
        mov dx, 0x3f8
        mov al, ah
        out dx, al
        ret
        align 8
gdt:    dq 0
        dq 0x00009a000000ffff   ; code of 16 bits
        dq 0x00cf92000000ffff   ; data, 4 GiB
        dq 0x000092000000ffff   ; data, 64 KiB
segments: dw 31
        dd gdt
count:  dd 0
        times 510 - ($ - $$) db 0
        dw 0xaa55
