/* Calls: an interpreter of expression trees whose functions lie in pages of their own, reached through pointers, with
   helpers that call helpers in further pages. What a large program does between its loops. */
typedef unsigned long u64;

#ifndef ROUNDS
#define ROUNDS 300000
#endif

#define PAGE __attribute__((noinline, aligned(4096)))

enum kind { CONSTANT, VARIABLE, ADD, MULTIPLY, EXCLUSIVE, CHOOSE, HASH, KINDS };

struct node { enum kind kind; u64 value; struct node *a, *b, *c; };

typedef u64 (*operation)(const struct node *, u64);

static struct node pool[256];
static int used;

PAGE static u64 rotate(u64 value, int by) { return value << by | value >> (64 - by); }

PAGE static u64 mix(u64 value) { return rotate(value ^ 0x9e3779b97f4a7c15, 13) * 5; }

PAGE static u64 digest(u64 a, u64 b) { return mix(a) + mix(b ^ 0x55); }

static u64 constant(const struct node *n, u64 x);
static u64 variable(const struct node *n, u64 x);
static u64 add(const struct node *n, u64 x);
static u64 multiply(const struct node *n, u64 x);
static u64 exclusive(const struct node *n, u64 x);
static u64 choose(const struct node *n, u64 x);
static u64 hash(const struct node *n, u64 x);

static const operation operations[KINDS] = { constant, variable, add, multiply, exclusive, choose, hash };

PAGE static u64 evaluate(const struct node *n, u64 x) { return operations[n->kind](n, x) + 1; }

PAGE static u64 constant(const struct node *n, u64 x) { (void)x; return n->value; }
PAGE static u64 variable(const struct node *n, u64 x) { return x + n->value; }
PAGE static u64 add(const struct node *n, u64 x) { return evaluate(n->a, x) + evaluate(n->b, x); }
PAGE static u64 multiply(const struct node *n, u64 x) { return evaluate(n->a, x) * (evaluate(n->b, x) | 1); }
PAGE static u64 exclusive(const struct node *n, u64 x) { return evaluate(n->a, x) ^ evaluate(n->b, x); }
PAGE static u64 choose(const struct node *n, u64 x)
{
    return evaluate(n->a, x) & 1 ? evaluate(n->b, x) : evaluate(n->c, x);
}
PAGE static u64 hash(const struct node *n, u64 x) { return digest(evaluate(n->a, x), x); }

static struct node *grow(int depth, u64 *seed)
{
    struct node *n = &pool[used++];
    *seed = *seed * 6364136223846793005 + 1442695040888963407;
    n->value = *seed >> 33;
    n->kind = depth == 0 ? *seed >> 40 & 1 : ADD + (*seed >> 40) % (KINDS - ADD);
    if (depth > 0) {
        n->a = grow(depth - 1, seed);
        n->b = grow(depth - 1, seed);
        n->c = n->kind == CHOOSE ? grow(depth - 1, seed) : 0;
    }
    return n;
}

int main(void)
{
    u64 seed = 1, sum = 0;
    struct node *tree = grow(5, &seed);
    for (u64 round = 0; round < ROUNDS; round++)
        sum = rotate(sum ^ evaluate(tree, round), 7);
#ifdef EXPECTED
    return sum != EXPECTED;
#else
    return 0 * sum;
#endif
}
