/* Integer kernels in the mix of a small embedded program: linked list, matrix, state machine, checksum.
   Every round folds its results into one number, which main compares with the value known to be right. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#ifndef ROUNDS
#define ROUNDS 200
#endif
#ifndef EXPECTED
#define EXPECTED 0
#endif

struct node { struct node *next; short key; short value; };

static struct node nodes[64];
static short left[12][12], right[12][12];
static int product[12][12];
static const char text[] = "0x1f,17,-42.5e3,+9,abc,3.14159,,12e,0,-0.0,77777,0x,8e-4,end,1,2,3,";

static u16 crc(u16 sum, u32 value)
{
    for (int i = 0; i < 16; i++) {
        u32 bit = (sum ^ value) & 1;
        sum >>= 1;
        value >>= 1;
        if (bit)
            sum ^= 0xa001;
    }
    return sum;
}

static struct node *build(u32 seed)
{
    struct node *head = 0;
    for (int i = 0; i < 64; i++) {
        seed = seed * 1103515245u + 12345u;
        nodes[i].key = (short)(seed >> 16);
        nodes[i].value = (short)i;
        nodes[i].next = head;
        head = &nodes[i];
    }
    return head;
}

static struct node *merge(struct node *a, struct node *b)
{
    struct node head;
    struct node *tail = &head;
    while (a && b) {
        if (a->key <= b->key) { tail->next = a; a = a->next; }
        else { tail->next = b; b = b->next; }
        tail = tail->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static struct node *sort(struct node *list)
{
    if (!list || !list->next)
        return list;
    struct node *slow = list, *fast = list->next;
    while (fast && fast->next) { slow = slow->next; fast = fast->next->next; }
    struct node *half = slow->next;
    slow->next = 0;
    return merge(sort(list), sort(half));
}

static u16 matrix(u16 sum, u32 seed)
{
    for (int i = 0; i < 12; i++)
        for (int j = 0; j < 12; j++) {
            left[i][j] = (short)(seed + i * 3 + j);
            right[i][j] = (short)(seed ^ (i * j + 7));
        }
    for (int i = 0; i < 12; i++)
        for (int j = 0; j < 12; j++) {
            int total = 0;
            for (int k = 0; k < 12; k++)
                total += (int)left[i][k] * right[k][j];
            product[i][j] = total;
        }
    for (int i = 0; i < 12; i++)
        sum = crc(sum, (u32)product[i][(i * 5) % 12]);
    return sum;
}

static u16 states(u16 sum)
{
    enum { START, INTEGER, FRACTION, EXPONENT, HEX, INVALID } state = START;
    u32 counts[6] = { 0, 0, 0, 0, 0, 0 };
    for (const char *p = text; *p; p++) {
        char c = *p;
        int digit = c >= '0' && c <= '9';
        if (c == ',') { counts[state]++; state = START; continue; }
        switch (state) {
        case START: state = digit || c == '+' || c == '-' ? INTEGER : INVALID; break;
        case INTEGER: state = digit ? INTEGER : c == '.' ? FRACTION : c == 'x' ? HEX : c == 'e' ? EXPONENT : INVALID; break;
        case FRACTION: state = digit ? FRACTION : c == 'e' ? EXPONENT : INVALID; break;
        case EXPONENT: state = digit || c == '-' ? EXPONENT : INVALID; break;
        case HEX: state = digit || (c >= 'a' && c <= 'f') ? HEX : INVALID; break;
        default: break;
        }
    }
    for (int i = 0; i < 6; i++)
        sum = crc(sum, counts[i]);
    return sum;
}

int main(void)
{
    u16 sum = 0;
    for (u32 round = 0; round < ROUNDS; round++) {
        struct node *list = sort(build(round));
        for (struct node *n = list; n; n = n->next)
            sum = crc(sum, (u16)n->key);
        sum = matrix(sum, round);
        sum = states(sum);
    }
    return EXPECTED == 0 ? sum : sum == EXPECTED ? 0 : 1;
}
