/* The server of ipc_ping: answers each number with the sum of all so far; 0 ends it. */
#include "tests/prog/test.h"

int main(void)
{
    handle_t ep = start_handle(START_ENDPOINT);
    struct ipc_msg *msg = ipc_buffer();
    uint64_t token = 0, number, sum = 0;

    do {
        NEED(sys_ipc_reply_recv(ep, token, 0, 5000 * MS));
        EXPECT(IPC_CALL, msg->type);
        EXPECT(77, msg->badge);
        EXPECT(sizeof(number), msg->len);
        memcpy(&number, msg->data, sizeof(number));
        sum += number;
        memcpy(msg->data, &sum, sizeof(sum));
        token = msg->token;
    } while (number != 0);
    NEED(sys_ipc_reply(ep, token));
    test_mark("PONG: ok");
    return 0;
}
