; A guest of four kilobytes for QEMU pairs that answers on the network: ARP for its address, ICMP echo, and UDP and TCP
; echo on any port; by UDP on port 13 it puts the processor's time stamp into the first four bytes. It drives the first RTL8139 (10ec:8139) or virtio card (1af4:1000, by the legacy registers) of the
; machine without interrupts: it looks at what was received at each tick of the BIOS's clock, which it sets to 250 a
; second, and halts between. It counts the frames that it has answered and prints the count in hexadecimal with each
; 64th, so that a survivor's memory can be checked.
;
; TCP needs neither timers nor buffers here. What it sends is what it has received, so a connection is one number, the
; distance between the two sides' sequence numbers, taken from the processor's time stamp at the SYN: two replicas take
; different ones. A segment is answered with itself, moved by the distance; it is acknowledged no further than the client
; has acknowledged its echo, so whatever is lost on either way is sent again by the client and answered again.
; Build: nasm -f bin [-DADDRESS=0x0a580002] echo.asm
%ifndef ADDRESS
%define ADDRESS 0x0a580002      ; 10.88.0.2
%endif
%define RING 0x20000            ; 8 KiB and room to run over
%define SEND 0x24000            ; four frames of 2 KiB
%define TAKEN 0x30000           ; virtio: the ring of what was received: descriptors, ours at 4 KiB, the card's at 8 KiB
%define SENT 0x34000            ; and that of what is sent
%define ROOM 0x38000            ; sixteen frames of 2 KiB, each after a header
%define HEADER 10
%define LINKS 0x9000            ; 64 connections, by the low bits of the client's port
%define FIRST 0                 ; the client's first sequence number
%define APART 4                 ; from the client's sequence numbers to ours
%define KNOWN 8                 ; acknowledged so far
%define PORT 12
        bits 16
        org 0x7c00
start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        sti
        cld
        mov si, packet
        mov ah, 0x42            ; the rest of this program
        int 0x13
        jc dead
        jmp main
dead:   mov si, nodisk
        call text
halt:   hlt
        jmp halt
text:   lodsb
        test al, al
        jz .end
        call put
        jmp text
.end:   ret
put:    push dx
        push ax
.wait:  mov dx, 0x3fd
        in al, dx
        test al, 0x20
        jz .wait
        mov dx, 0x3f8
        pop ax
        out dx, al
        pop dx
        ret
hex:    mov cx, 8               ; eax in eight digits and a line feed
.digit: rol eax, 4
        push eax
        and al, 15
        add al, '0'
        cmp al, '9'
        jbe .out
        add al, 'a' - '0' - 10
.out:   call put
        pop eax
        loop .digit
        mov al, 10
        jmp put
nodisk: db 'no disk', 10, 0
nocard: db 'no card', 10, 0
ready:  db 'ready', 10, 0
        align 4
packet: db 16, 0
        dw 7
        dw 0x7e00, 0
        dd 1, 0
base:   dw 0                    ; I/O base of the card
offset: dw 0                    ; where the next frame is in the ring
slot:   dw 0                    ; which of the four transmit descriptors is next
length: dw 0
frame_bytes: dw 0               ; of the answer
data_bytes: dw 0                ; of a TCP segment
taken:  dw 0                    ; virtio: frames that were looked at
virtio: db 0
mac:    times 6 db 0
        align 4
count:  dd 0
        times 510 - ($ - $$) db 0
        dw 0xaa55

; the second sector and those after it
main:   mov ebx, 0x80000000     ; bus 0, device 0
find:   mov eax, ebx
        call config
        cmp eax, 0x813910ec
        je found
        inc byte [virtio]
        cmp eax, 0x10001af4
        je found
        dec byte [virtio]
        add ebx, 0x800
        cmp ebx, 0x80010000
        jb find
        mov si, nocard
        call text
        jmp halt
found:  mov eax, ebx
        mov al, 0x10
        call config             ; the first BAR is in I/O space
        and ax, 0xfffc
        mov [base], ax
        mov eax, ebx
        mov al, 4
        call config
        or ax, 5                ; I/O space and bus master
        out dx, eax
        cmp byte [virtio], 0
        jne rings

        mov al, 0x10            ; reset
        mov cl, 0x37
        call writeb
.reset: call readb
        test al, 0x10
        jnz .reset
        mov cl, 0               ; its address
        mov di, mac
.mac:   call readb
        stosb
        inc cl
        cmp cl, 6
        jb .mac
        mov eax, RING
        mov cl, 0x30
        call writel
        mov al, 0x0c            ; receiver and transmitter on
        mov cl, 0x37
        call writeb
        mov eax, 0x8f           ; all frames, running over the end of the ring
        mov cl, 0x44
        call writel
        xor ax, ax              ; no interrupts
        mov cl, 0x3c
        call writew

clock:  mov al, 0x34            ; the clock: 1193182 / 4772
        out 0x43, al
        mov al, 4772 & 255
        out 0x40, al
        mov al, 4772 >> 8
        out 0x40, al
        mov si, ready
        call text

        cmp byte [virtio], 0
        jne watch
loop:   mov cl, 0x37
        call readb
        test al, 1              ; the ring is empty
        jz frame
        hlt
        jmp loop
frame:  mov ax, RING >> 4
        mov fs, ax
        mov si, [offset]
        mov ax, [fs:si + 2]     ; length with the check sequence
        mov [length], ax
        test byte [fs:si], 1
        jz next
        add si, 4               ; fs:si is the frame
        call answer
next:   mov ax, [length]
        add ax, [offset]
        add ax, 4 + 3
        and ax, 0x1ffc
        mov [offset], ax
        sub ax, 16
        mov cl, 0x38
        call writew
        jmp loop

answer: mov ax, [fs:si + 12]
        cmp ax, 0x0608
        je arp
        cmp ax, 0x0008
        je ip
        ret
arp:    cmp dword [fs:si + 14], 0x00080100
        jne none
        cmp word [fs:si + 20], 0x0100
        jne none
        cmp dword [fs:si + 38], own
        jne none
        call copy
        mov word [gs:20], 0x0200
        mov eax, [fs:si + 22]   ; who asked: address and protocol address
        mov [gs:32], eax
        mov ax, [fs:si + 26]
        mov [gs:36], ax
        mov eax, [fs:si + 28]
        mov [gs:38], eax
        mov eax, [mac]
        mov [gs:22], eax
        mov ax, [mac + 4]
        mov [gs:26], ax
        mov dword [gs:28], own
        jmp send
ip:     cmp byte [fs:si + 14], 0x45
        jne none
        cmp dword [fs:si + 30], own
        jne none
        test word [fs:si + 20], 0xff3f
        jnz none                ; a fragment
        mov al, [fs:si + 23]
        cmp al, 17
        je udp
        cmp al, 6
        je tcp
        cmp al, 1
        jne none
        cmp byte [fs:si + 34], 8
        jne none
        call copy
        mov byte [gs:34], 0     ; echo reply: the checksum grows by what the type has lost
        mov ax, [gs:36]
        add ax, 8
        adc ax, 0
        mov [gs:36], ax
        jmp turn
udp:    call copy
        mov eax, [gs:34]
        rol eax, 16             ; ports
        mov [gs:34], eax
        cmp word [fs:si + 36], 13 << 8
        jne turn
        rdtsc                   ; the time: no two replicas say the same
        mov [gs:42], eax
        mov word [gs:40], 0     ; no checksum
turn:   mov eax, [fs:si + 26]   ; the sums do not change when addresses change places
        mov [gs:30], eax
        mov dword [gs:26], own
send:   mov eax, [fs:si + 6]
        mov [gs:0], eax
        mov ax, [fs:si + 10]
        mov [gs:4], ax
        mov eax, [mac]
        mov [gs:6], eax
        mov ax, [mac + 4]
        mov [gs:10], ax
        inc dword [count]
        mov bx, [slot]
        cmp byte [virtio], 0
        jne post
        mov eax, ebx
        and eax, 3
        shl ax, 11
        add eax, SEND
        mov cl, bl
        shl cl, 2
        add cl, 0x20
        call writel             ; where it is
        movzx eax, word [frame_bytes]
        sub cl, 0x10
        call writel             ; how long it is; goes
.sent:  call readl
        test eax, 0x8000
        jz .sent
gone:   inc bx
        and bx, 3
        mov [slot], bx
        test dword [count], 63
        jnz none
        mov eax, [count]
        jmp hex
none:   ret
copy:   push si                 ; the frame to this slot's buffer at gs:0
        mov ax, [slot]
        shl ax, 7
        add ax, SEND >> 4
        mov gs, ax
        mov es, ax
        xor di, di
        mov cx, [length]
.byte:  mov al, [fs:si]
        stosb
        inc si
        loop .byte
        xor ax, ax
        mov es, ax
        pop si
        mov ax, [length]
        sub ax, 4
        cmp ax, 60
        jae .long
        mov ax, 60
.long:  mov [frame_bytes], ax
        ret

tcp:    mov bl, [fs:si + 46]
        and bx, 0xf0
        shr bx, 2               ; bytes of its header
        mov ax, [fs:si + 16]
        xchg al, ah
        sub ax, 20
        sub ax, bx
        jb none
        cmp ax, 1460
        ja none
        mov [data_bytes], ax
        mov cx, ax
        mov ax, [slot]
        shl ax, 7
        add ax, SEND >> 4
        mov gs, ax
        mov es, ax
        mov di, 54
        push si
        lea si, [bx + si + 34]
        jcxz .end
.byte:  mov al, [fs:si]
        stosb
        inc si
        loop .byte
.end:   mov byte [gs:di], 0     ; an odd length is summed up with a zero
        xor ax, ax
        mov es, ax
        pop si

        movzx bx, byte [fs:si + 35]
        and bx, 63
        shl bx, 4
        add bx, LINKS
        mov ebp, [fs:si + 38]   ; sequence number
        bswap ebp
        mov edx, [fs:si + 42]   ; acknowledgement
        bswap edx
        movzx ecx, word [data_bytes]
        mov al, [fs:si + 47]
        test al, 4              ; RST
        jnz none
        test al, 2              ; SYN
        jz .open
        mov cx, [fs:si + 34]
        cmp [bx + FIRST], ebp
        jne .new
        cmp [bx + PORT], cx
        je .known               ; it was sent again
.new:   mov [bx + FIRST], ebp
        mov [bx + PORT], cx
        rdtsc
        mov [bx + APART], eax
        lea eax, [ebp + 1]
        mov [bx + KNOWN], eax
.known: lea edx, [ebp + 1]
        mov word [data_bytes], 0
        mov al, 0x12            ; SYN, ACK
        jmp .reply
.open:  sub edx, [bx + APART]   ; what the client has of the echo, in its own numbers
        test al, 1              ; FIN
        jz .data
        lea eax, [ebp + ecx]
        cmp eax, edx
        jne .echo               ; the end comes again when the echo of all before it is there
        inc edx
        mov [bx + KNOWN], edx
        mov al, 0x11            ; FIN, ACK
        jmp .reply
.data:  test ecx, ecx
        jnz .echo
        cmp [bx + KNOWN], edx
        je none
.echo:  mov [bx + KNOWN], edx
        mov al, 0x18            ; PSH, ACK
.reply: mov [gs:47], al
        add ebp, [bx + APART]
        bswap ebp
        mov [gs:38], ebp
        bswap edx
        mov [gs:42], edx
        mov eax, [fs:si + 34]
        rol eax, 16             ; ports
        mov [gs:34], eax
        mov byte [gs:46], 0x50
        mov word [gs:48], 0x0008        ; a window of 2048 bytes
        mov dword [gs:50], 0
        mov dword [gs:12], 0x00450008
        mov ax, [data_bytes]
        add ax, 54              ; not filled up to 60 bytes: QEMU's comparer takes that for payload
        mov [frame_bytes], ax
        sub ax, 14
        xchg al, ah
        mov [gs:16], ax
        mov dword [gs:18], 0x00400000   ; not to be fragmented
        mov dword [gs:22], 0x00000640
        mov dword [gs:26], own
        mov eax, [fs:si + 26]
        mov [gs:30], eax
        mov di, 14
        mov cx, 10
        xor eax, eax
        call sum
        mov [gs:24], ax
        mov ax, [data_bytes]
        add ax, 20
        xchg al, ah
        movzx eax, ax
        add eax, 0x0600
        mov di, 26              ; addresses, header and data
        mov cx, [data_bytes]
        add cx, 29
        shr cx, 1
        call sum
        mov [gs:50], ax
        jmp send
sum:    movzx edx, word [gs:di] ; cx words from gs:di on, added to eax
        add eax, edx
        add di, 2
        loop sum
        mov edx, eax
        shr edx, 16
        movzx eax, ax
        add eax, edx
        mov edx, eax
        shr edx, 16
        add ax, dx
        not ax
        ret

; The virtio card. A register file in I/O space: features at 0 and 4, the page of a queue at 8, its size at 12, which
; queue at 14, notification at 16, status at 18, the address from 20 on. Queue 0 receives and queue 1 sends.
rings:  mov ax, TAKEN >> 4      ; all empty
        mov es, ax
        xor di, di
        mov cx, 0x8000 / 4
        xor eax, eax
        rep stosd
        mov es, ax
        mov al, 0               ; reset, and a driver is here
        mov cl, 18
        call writeb
        mov al, 3
        call writeb
        mov eax, 1 << 5         ; of its features only that it has an address
        mov cl, 4
        call writel
        mov cl, 20
        mov di, mac
.mac:   call readb
        stosb
        inc cl
        cmp cl, 26
        jb .mac
        xor ax, ax
        mov ebx, TAKEN >> 12
        call queue
        mov ax, 1
        mov ebx, SENT >> 12
        call queue

        mov ax, TAKEN >> 4
        mov fs, ax
        xor di, di
        xor bx, bx
        mov eax, ROOM
.room:  mov [fs:di], eax
        mov dword [fs:di + 8], 2048
        mov word [fs:di + 12], 2        ; for the card to write
        mov si, bx
        shl si, 1
        mov [fs:si + 0x1004], bx
        add eax, 2048
        add di, 16
        inc bx
        cmp bx, 16
        jb .room
        mov dword [fs:0x1000], 0x100001 ; no interrupts, sixteen are there
        mov ax, SENT >> 4
        mov fs, ax
        xor di, di
        mov bx, 1
        mov eax, SEND
.send:  mov dword [fs:di], SENT + 0x3f00        ; an empty header
        mov dword [fs:di + 8], HEADER
        mov word [fs:di + 12], 1        ; and the frame after it
        mov [fs:di + 14], bx
        mov [fs:di + 16], eax
        add eax, 2048
        add di, 32
        add bx, 2
        cmp bx, 9
        jb .send
        mov word [fs:0x1000], 1
        mov al, 7               ; the driver is ready
        mov cl, 18
        call writeb
        jmp clock
queue:  mov cl, 14
        call writew
        mov cl, 12
        call readl
        cmp ax, 256
        jne .other
        mov eax, ebx
        mov cl, 8
        jmp writel
.other: mov si, nocard
        call text
        jmp halt

watch:  mov ax, TAKEN >> 4
        mov fs, ax
        mov bx, [taken]
        cmp [fs:0x2002], bx
        jne .frame
        hlt
        jmp watch
.frame: and bx, 255
        shl bx, 3
        mov ax, [fs:bx + 0x2008]
        sub ax, HEADER - 4      ; as the other card counts, with a check sequence
        mov [length], ax
        mov ax, [fs:bx + 0x2004]
        push ax                 ; which of the sixteen
        shl ax, 7
        add ax, ROOM >> 4
        mov fs, ax
        mov si, HEADER
        call answer
        pop ax
        mov bx, TAKEN >> 4
        mov fs, bx
        inc word [taken]
        mov bx, [fs:0x1002]
        mov di, bx
        and di, 255
        shl di, 1
        mov [fs:di + 0x1004], ax
        inc bx
        mov [fs:0x1002], bx
        xor ax, ax
        mov cl, 16
        call writew
        jmp watch

post:   mov ax, SENT >> 4       ; the frame of slot bx
        mov fs, ax
        mov di, bx
        shl di, 5
        movzx eax, word [frame_bytes]
        mov [fs:di + 24], eax
        mov di, [fs:0x1002]
        mov bp, di
        inc bp
        and di, 255
        shl di, 1
        mov ax, bx
        shl ax, 1
        mov [fs:di + 0x1004], ax
        mov [fs:0x1002], bp
        mov ax, 1
        mov cl, 16
        call writew
.sent:  pause
        cmp [fs:0x2002], bp
        jne .sent
        jmp gone
config: push ax                 ; eax: address; comes back with the value, dx ready to write
        and al, 0xfc
        mov dx, 0xcf8
        out dx, eax
        pop dx
        mov dx, 0xcfc
        in eax, dx
        ret
port:   mov dx, [base]          ; cl: register
        add dl, cl
        adc dh, 0
        ret
writeb: call port
        out dx, al
        ret
writew: call port
        out dx, ax
        ret
writel: call port
        out dx, eax
        ret
readb:  call port
        in al, dx
        ret
readl:  call port
        in eax, dx
        ret
own:    equ ((ADDRESS & 0xff) << 24) | ((ADDRESS & 0xff00) << 8) | ((ADDRESS >> 8) & 0xff00) | (ADDRESS >> 24)
        times 4096 - ($ - $$) db 0
