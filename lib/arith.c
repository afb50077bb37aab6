/* Small arithmetic of <stdlib.h>. */
#include <stdlib.h>

int abs(int n)
{
    return n < 0 ? -n : n;
}

long labs(long n)
{
    return n < 0 ? -n : n;
}

long long llabs(long long n)
{
    return n < 0 ? -n : n;
}

div_t div(int n, int d)
{
    return (div_t){ n / d, n % d };
}

ldiv_t ldiv(long n, long d)
{
    return (ldiv_t){ n / d, n % d };
}

static unsigned long long rand_state = 1;

void srand(unsigned seed)
{
    rand_state = seed;
}

/* A linear congruence over 64 bits; the upper bits are the good ones. */
int rand(void)
{
    rand_state = rand_state * 6364136223846793005ull + 1442695040888963407ull;
    return (int)(rand_state >> 33);
}
