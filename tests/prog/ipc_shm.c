/*
 * `test=ipc.shm`: one process fills a memory object of 1 MiB with xorshift64(nonce), another maps it
 * for reading, computes its CRC-32 and prints it. The object travels in a message.
 */
#include "tests/prog/test.h"

enum { BYTES = 1 << 20 };

/* CRC-32 (IEEE 802.3, reflected), bit by bit over a table of 16. */
static uint32_t crc32(const unsigned char *p, size_t n)
{
    uint32_t table[16], crc = 0xffffffff;

    for (uint32_t i = 0; i < 16; i++) {
        table[i] = i;
        for (int bit = 0; bit < 4; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
    }
    while (n-- > 0) {
        crc ^= *p++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* The child: receive the object, read it. */
static int reader(void)
{
    handle_t ep = start_handle(START_ENDPOINT);
    struct ipc_msg *msg = ipc_buffer();
    void *data;
    size_t size;

    NEED(sys_ipc_recv(ep, 0, 5000 * MS));
    EXPECT(1, msg->nhandles);
    handle_t shm = NEED_HANDLE(msg->handles[0]);
    uint64_t token = msg->token;
    EXPECT(-EACCES, sys_shm_map(HANDLE_SELF, shm, 0, BYTES, 0, VM_READ | VM_WRITE));
    NEED(shm_attach(shm, VM_READ, &data, &size));
    EXPECT(BYTES, size);
    printf("SHM: checksum ok crc=0x%08x nonce=%s secret=%s\n", crc32(data, size), test_nonce(),
           test_secret);
    fflush(stdout);
    memset(msg, 0, offsetof(struct ipc_msg, data));
    NEED(sys_ipc_reply(ep, token));
    return 0;
}

static void fill(uint64_t *words, uint64_t x)
{
    for (size_t i = 0; i < BYTES / sizeof(*words); i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        words[i] = x;
    }
}

int main(int argc, char **argv)
{
    handle_t shm, session, child, given;
    struct ipc_msg *msg = ipc_buffer();
    uint64_t id;
    void *data;

    (void)argv;
    if (argc > 1)
        return reader();
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    session = NEED_HANDLE(sys_session_create(ep, 1, 0, &id));
    char *args[] = { "ipc_shm", "reader", NULL };
    struct spawn_handle more = { START_ENDPOINT, ep, RIGHT_RECV | RIGHT_WAIT };
    child = test_spawn("test/ipc_shm", args, &more, 1);
    NEED(sys_handle_close(ep));

    NEED(shm_new(BYTES, &shm, &data));
    fill(data, strtoull(test_nonce(), NULL, 16));
    given = NEED_HANDLE(sys_handle_dup(shm, RIGHT_READ | RIGHT_TRANSFER, 0, 0));
    memset(msg, 0, offsetof(struct ipc_msg, data));
    msg->nhandles = 1;
    msg->handles[0] = given;
    msg->move = 1;
    NEED(sys_ipc_call(session, 20000 * MS));
    EXPECT(-EBADF, sys_handle_close(given));            /* it moved */
    EXPECT(0, test_wait(child));
    return 0;
}
