/*
 * `test=ipc.pingpong`: calls a server in another process ROUNDS times; each answer must be made of the
 * request and of what the server alone keeps.
 */
#include "tests/prog/test.h"

enum { ROUNDS = 1000 };

static uint64_t call(handle_t session, uint64_t number)
{
    struct ipc_msg *msg = ipc_buffer();
    uint64_t answer;

    memset(msg, 0, offsetof(struct ipc_msg, data));
    msg->len = sizeof(number);
    memcpy(msg->data, &number, sizeof(number));
    NEED(sys_ipc_call(session, 5000 * MS));
    EXPECT(sizeof(answer), msg->len);
    memcpy(&answer, msg->data, sizeof(answer));
    return answer;
}

int main(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, seed = strtoull(test_nonce(), NULL, 16), sum = 0;
    handle_t session = NEED_HANDLE(sys_session_create(ep, 77, 0, &id));
    struct spawn_handle more = { START_ENDPOINT, ep, RIGHT_RECV | RIGHT_WAIT };
    char *argv[] = { "ipc_pong", NULL };
    handle_t pong = test_spawn("test/ipc_pong", argv, &more, 1);

    NEED(sys_handle_close(ep));         /* the server's is the last one */
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        sum += seed ^ i;
        EXPECT(sum, call(session, seed ^ i));
    }
    EXPECT(sum, call(session, 0));      /* 0: the end */
    EXPECT(0, test_wait(pong));

    struct ipc_msg *msg = ipc_buffer();
    memset(msg, 0, offsetof(struct ipc_msg, data));
    EXPECT(-EPIPE, sys_ipc_call(session, 5000 * MS));
    test_mark("PING: ok");
    return 0;
}
