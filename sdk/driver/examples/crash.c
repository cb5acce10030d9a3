/* The loopback board with every bad habit, for tests of the board host. Ask it
 *   "crash"   and it reads through a null pointer,
 *   "hang"    and it never comes back,
 *   "exit"    and it ends its process,
 *   "garbage" and it reports words, ports and numbers that do not exist.
 */
#define LOOPBACK_AS_PART
#include "loopback.c"

static int bad_ask(line_board *b, const char *name, const uint8_t *req, uint32_t len, line_reply_cb reply,
                   void *ctx) {
    if (strcmp(name, "crash") == 0) {
        volatile int *nowhere = NULL;
        return *nowhere;
    }
    if (strcmp(name, "hang") == 0) {
        for (volatile uint64_t n = 0;; n++) {
        }
    }
    if (strcmp(name, "exit") == 0) exit(3);
    if (strcmp(name, "garbage") == 0) {
        uint32_t i;
        line_event_v1 e;
        for (i = 0; i < 200; i++) emit(b, i * 7919u, i * 31u, 0xffffffffu - i);
        memset(&e, 0xff, sizeof e);
        b->host->event(b->host->ctx, &e);
        b->host->event(b->host->ctx, NULL);
        b->host->frame(b->host->ctx, b->rx, b->tx, 1u << 30, ~0ull, ~0ull);
        b->host->frame(b->host->ctx, NULL, NULL, b->samples, 0, 0);
        b->host->log(b->host->ctx, 77, "\xff\xfe\n\0bad", 7);
        reply(ctx, NULL, 12);
        reply(ctx, (const uint8_t *)"done", 4);
        return 0;
    }
    return lb_ask(b, name, req, len, reply, ctx);
}

static const line_driver_v1 driver = {
    .abi_major = LINE_ABI_MAJOR, .abi_minor = LINE_ABI_MINOR, .struct_size = sizeof(line_driver_v1),
    .id = "crash", .version = "1", .license = "MIT OR Apache-2.0",
    .probe = lb_probe, .open = lb_open, .close = lb_close, .board_info = lb_info, .port_caps = lb_caps,
    .configure = lb_configure, .line_cmd = lb_cmd, .audio_start = lb_audio, .pump = lb_pump,
    .get_status = lb_status, .ask = bad_ask,
};

const line_driver_v1 *line_driver_entry(uint32_t host_abi) {
    return host_abi >> 16 == LINE_ABI_MAJOR ? &driver : NULL;
}
