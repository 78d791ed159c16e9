; A guest of 512 bytes for QEMU pairs. It counts: each step it writes the count into memory (one byte in each of 16
; pages), every 16th step writes the count into the disk sector 1 + (count / 16) % 1024 by a BIOS call, and prints the
; count on the first serial port as eight hexadecimal digits and a line feed. A survivor that went back or skipped shows
; it in the next line.
        bits 16
        org 0x7c00
start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        sti
        mov [drive], dl
        mov dword [count], 0
next:   inc dword [count]
        mov eax, [count]
; memory: pages 0x20000..0x2ffff
        mov bx, 0x2000
        mov cx, 16
page:   mov fs, bx
        mov [fs:0], eax
        add bx, 0x100
        loop page
; serial: one line
        mov cx, 8
digit:  rol eax, 4
        push ax
        and al, 15
        add al, '0'
        cmp al, '9'
        jbe out1
        add al, 'a' - '0' - 10
out1:   call put
        pop ax
        loop digit
        mov al, 10
        call put
; disk: every 16th count
        mov eax, [count]
        test al, 15
        jnz rest
        mov [sector], eax
        shr eax, 4
        and eax, 1023
        inc eax
        mov [lba], eax
        mov si, packet
        mov ah, 0x43
        xor al, al
        mov dl, [drive]
        int 0x13
        jnc rest
        mov al, 'E'
        call put
        mov al, 10
        call put
; a pause by the BIOS's own clock tick, so that a slow host is not flooded
rest:   hlt
        jmp next
put:    push ax
        push dx
        mov ah, al
wait1:  mov dx, 0x3fd
        in al, dx
        test al, 0x20
        jz wait1
        mov dx, 0x3f8
        mov al, ah
        out dx, al
        pop dx
        pop ax
        ret
        align 4
packet: db 16, 0
        dw 1
        dw sector, 0
lba:    dd 0, 0
drive:  db 0
        align 4
count:  dd 0
        times 510 - ($ - $$) db 0
        dw 0xaa55
sector: equ 0x8000
