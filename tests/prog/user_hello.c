/* `test=user.hello`: a program in ring 3 that can speak. */
#include "tests/prog/test.h"

int main(void)
{
    uint16_t cs;

    __asm__("mov %%cs, %0" : "=r"(cs));
    EXPECT(3, cs & 3);
    test_mark("USER: hello");
    return 0;
}
