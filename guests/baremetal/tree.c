/* Writes the device tree that it was given to the UART as it is, then ends with the value of the root's property
 * "colo,exit" as its exit code, or 0 when there is none. */
typedef unsigned char u8;
typedef unsigned int u32;

static u32 word(const u8 *at) { return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3]; }

static int same(const u8 *left, const char *right)
{
    while (*left == (u8)*right && *right)
        left++, right++;
    return *left == (u8)*right;
}

static u32 exit_code(const u8 *tree)
{
    const u8 *at = tree + word(tree + 8), *names = tree + word(tree + 12);
    for (int depth = 0;;) {
        u32 token = word(at);
        at += 4;
        if (token == 1) {
            depth++;
            while (*at++)
                ;
            while ((unsigned long)(at - tree) & 3)
                at++;
        } else if (token == 2) {
            depth--;
        } else if (token == 3) {
            if (depth == 1 && same(names + word(at + 4), "colo,exit"))
                return word(at + 8);
            at += 8 + ((word(at) + 3) & ~3u);
        } else if (token == 9) {
            return 0;
        }
    }
}

int main(unsigned long hart, const u8 *tree)
{
    volatile u8 *uart = (volatile u8 *)0x10000000;
    u32 length = word(tree + 4);
    for (u32 i = 0; i < length; i++)
        *uart = tree[i];
    return (int)exit_code(tree);
}
