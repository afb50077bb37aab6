/*
 * SHA-256 against NIST's vectors (FIPS 180-4 examples, SHA2 byte-oriented short messages) and, for every length around a
 * block, against itself in pieces.
 * SOURCES: lib/sha256.c    FLAGS: -idirafter lib
 */
#include <rugo/sha256.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void hex_of(struct sha256 *h, char text[65])
{
    uint8_t hash[SHA256_SIZE];

    sha256_end(h, hash);
    for (unsigned i = 0; i < SHA256_SIZE; i++)
        sprintf(text + 2 * i, "%02x", hash[i]);
}

static void expect(const void *data, size_t size, const char *wanted)
{
    struct sha256 h;
    char text[65];

    sha256_begin(&h);
    sha256_add(&h, data, size);
    hex_of(&h, text);
    if (strcmp(text, wanted) != 0) {
        printf("sha256 of %zu bytes: %s, not %s\n", size, text, wanted);
        assert(0);
    }
}

static void test_vectors(void)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    static const char long_one[] = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                                   "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";

    expect("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(two_blocks, 56, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect(long_one, 112, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    expect("\xd3", 1, "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
    expect("\x11\xaf", 2, "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98");
}

static void test_a_million(void)
{
    struct sha256 h;
    char text[65];

    sha256_begin(&h);
    for (unsigned i = 0; i < 1000; i++) {
        char thousand[1000];

        memset(thousand, 'a', sizeof(thousand));
        sha256_add(&h, thousand, sizeof(thousand));
    }
    hex_of(&h, text);
    assert(strcmp(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0") == 0);
}

static void test_pieces(void)
{
    uint8_t data[200];

    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 37);
    for (unsigned size = 0; size <= sizeof(data); size++) {
        struct sha256 whole, parts;
        char a[65], b[65];

        sha256_begin(&whole);
        sha256_add(&whole, data, size);
        hex_of(&whole, a);
        for (unsigned cut = 0; cut <= size; cut++) {
            sha256_begin(&parts);
            sha256_add(&parts, data, cut);
            sha256_add(&parts, data + cut, size - cut);
            hex_of(&parts, b);
            assert(strcmp(a, b) == 0);
        }
    }
}

int main(void)
{
    test_vectors();
    test_a_million();
    test_pieces();
    puts("sha256: ok");
    return 0;
}
