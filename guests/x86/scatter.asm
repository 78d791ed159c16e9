; A guest of 512 bytes that writes all over its disk of 16 MiB while that is being copied. It counts; with each clock
; tick it writes the count n into the disk sector 128 * (389 * n % 256) + 1 + n / 256 by a BIOS call: each time another
; 64 KiB of the disk, all of them in 256 steps, and no sector twice. Only when the BIOS says that the count is on the
; disk does it print it on the first serial port, as eight hexadecimal digits and a line feed; else it prints an E.
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
        mov [sector], eax
        mov ebx, eax
        shr ebx, 8
        inc ebx
        imul eax, eax, 389
        and eax, 255
        shl eax, 7
        add eax, ebx
        mov [lba], eax
        mov si, packet
        mov ah, 0x43
        xor al, al
        mov dl, [drive]
        int 0x13
        jc failed
        mov eax, [count]
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
        jmp end
failed: mov al, 'E'
        call put
end:    mov al, 10
        call put
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
