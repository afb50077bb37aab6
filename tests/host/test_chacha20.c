/*
 * The kernel's ChaCha20 block function against the vectors of RFC 8439 (2.3.2 and appendix A.1).
 *
 * SOURCES: kernel/klib/chacha20.c FLAGS: -Itests/host/fake -Ikernel
 */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "klib/chacha20.h"

static void from_hex(const char *hex, void *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned byte;

        CHECK(sscanf(hex + 2 * i, "%2x", &byte) == 1, "bad hex at %zu", i);
        ((unsigned char *)out)[i] = (unsigned char)byte;
    }
}

static void block(const char *key_hex, uint32_t counter, const char *nonce_hex,
                  const char *want_hex)
{
    uint32_t key[8], nonce[3];
    uint8_t got[64], want[64];

    from_hex(key_hex, key, sizeof key);
    from_hex(nonce_hex, nonce, sizeof nonce);
    from_hex(want_hex, want, sizeof want);
    chacha20_block(key, counter, nonce, got);
    CHECK(memcmp(got, want, sizeof want) == 0, "counter %u, key %s", counter, key_hex);
}

#define ZERO8  "0000000000000000"
#define ZERO32 ZERO8 ZERO8 ZERO8 ZERO8
#define ZERO12 "000000000000000000000000"

int main(void)
{
    block("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 1,
          "000000090000004a00000000",
          "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
          "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e");
    block(ZERO32, 0, ZERO12,
          "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
          "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
    block(ZERO32, 1, ZERO12,
          "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
          "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
    block("0000000000000000000000000000000000000000000000000000000000000001", 1, ZERO12,
          "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
          "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0");
    block("00ff000000000000000000000000000000000000000000000000000000000000", 2, ZERO12,
          "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
          "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096");
    block(ZERO32, 0, "000000000000000000000002",
          "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
          "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d");
    return check_done("chacha20");
}
