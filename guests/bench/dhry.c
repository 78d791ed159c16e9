/* Records, strings and small calls in the proportions of a systems program of the eighties, written for this bench: the calls
   are not inlined, the strings are compared and copied byte by byte. */
typedef unsigned long u64;

#ifndef ROUNDS
#define ROUNDS 2000000
#endif

struct record { struct record *next; int kind, choice, number; char text[31]; };

static struct record one, two;
static int matrix[50][50], row[50], total;
static char letter;

#define CALL __attribute__((noinline))

CALL static int same_letter(char a, char b) { if (a != b) return 0; letter = a; return 1; }

CALL static int compare(const char *a, const char *b)
{
    while (*a && *a == *b) { a++; b++; }
    return *a - *b;
}

CALL static void copy(char *to, const char *from) { while ((*to++ = *from++)) ; }

CALL static void choose(int value, int *out)
{
    switch (value) {
    case 0: *out = 0; break;
    case 1: *out = total > 100 ? 0 : 3; break;
    case 2: *out = 1; break;
    default: *out = 2; break;
    }
}

CALL static void add_seven(int a, int b, int *out) { *out = a + b + 7; }

CALL static void fill(int *line, int (*grid)[50], int at, int value)
{
    int index = at + 5;
    line[index] = value;
    line[index + 1] = line[index];
    line[index + 30] = index;
    for (int i = index; i <= index + 1; i++) grid[index][i] = index;
    grid[index][index - 1]++;
    grid[index + 20][index] = line[index];
    total = 5;
}

CALL static void chase(struct record *p)
{
    struct record *next = p->next;
    *next = *p;
    p->number = 5;
    next->number = p->number;
    next->next = p->next;
    if (next->kind == 0) {
        next->number = 6;
        choose(p->choice, &next->choice);
        add_seven(next->number, 10, &next->number);
    } else
        *p = *next;
}

int main(void)
{
    char first[31], second[31];
    int a, b, c = 0;
    u64 sum = 0;
    one.next = &two;
    one.choice = 2;
    copy(one.text, "a record, with some text in it");
    copy(first, "text number one, thirty chars.");
    for (int round = 1; round <= ROUNDS; round++) {
        a = 2;
        b = 3;
        copy(second, "text number two, thirty chars.");
        if (compare(first, second) < 0) total++;
        while (a < b) { c = 5 * a - b; add_seven(a, b, &c); a++; }
        fill(row, matrix, a, c);
        chase(&one);
        for (char at = 'A'; at <= 'B'; at++)
            if (same_letter(at, 'C')) choose(0, &one.choice);
        b = b * a;
        a = b / c;
        b = 7 * (b - c) - a;
        sum += (u64)(a + b + c + second[round & 7]);
    }
    return sum == 0;
}
