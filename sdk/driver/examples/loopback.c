/* The smallest useful driver: a board with two FXS ports whose audio comes back as it went out.
 *
 *   cc -shared -fPIC -I../include -o libloopback.so loopback.c
 *
 * It can be asked "lift" and "hangup" with a port number in ASCII; it then reports the hook as a real board would.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ringtrip_driver.h"

#define PORTS 2u
#define MAX_SAMPLES 160u

struct line_board {
    const line_host_v1 *host;
    uint32_t frame_us;
    uint32_t samples; /* a frame and port */
    uint64_t sample;  /* since audio_start */
    struct timespec next;
    int off_hook[PORTS];
    int16_t rx[MAX_SAMPLES * PORTS];
    int16_t tx[MAX_SAMPLES * PORTS];
};

static void emit(line_board *b, uint32_t port, uint32_t kind, uint32_t value) {
    line_event_v1 e;
    memset(&e, 0, sizeof e);
    e.struct_size = sizeof e;
    e.kind = kind;
    e.port = port;
    e.mono_ns = b->host->now_ns(b->host->ctx);
    e.sample = b->sample;
    e.u.value = value;
    b->host->event(b->host->ctx, &e);
}

static int lb_probe(const line_host_v1 *host, const char *cfg, line_probe_cb found, void *ctx) {
    line_board_id_v1 id;
    (void)host;
    (void)cfg;
    memset(&id, 0, sizeof id);
    id.struct_size = sizeof id;
    strcpy(id.serial, "loop0");
    strcpy(id.model, "Loopback");
    found(ctx, &id);
    return 0;
}

static int lb_open(const line_host_v1 *host, const line_board_id_v1 *id, const char *cfg, line_board **out) {
    line_board *b;
    (void)id;
    (void)cfg;
    if (host->abi_major != LINE_ABI_MAJOR) return -EPROTO;
    b = calloc(1, sizeof *b);
    if (!b) return -ENOMEM;
    b->host = host;
    *out = b;
    return 0;
}

static void lb_close(line_board *b) { free(b); }

static int lb_info(line_board *b, line_board_info_v1 *info) {
    (void)b;
    if (info->struct_size < sizeof *info) return -EINVAL;
    info->ports = PORTS;
    info->clock = LINE_CLOCK_SYSTEM;
    info->frame_us[0] = 5000;
    info->frame_us[1] = 10000;
    strcpy(info->model, "Loopback");
    strcpy(info->serial, "loop0");
    return 0;
}

static int lb_caps(line_board *b, uint32_t port, line_port_caps_v1 *caps) {
    (void)b;
    if (port >= PORTS) return -ENODEV;
    caps->kind = LINE_PORT_FXS;
    caps->commands = 1ull << LINE_CMD_RING | 1ull << LINE_CMD_RING_STOP;
    caps->events = 1ull << LINE_EV_OFFHOOK | 1ull << LINE_EV_ONHOOK | 1ull << LINE_EV_READY;
    return 0;
}

static int lb_configure(line_board *b, uint32_t port, const line_port_cfg_v1 *cfg) {
    (void)b;
    (void)cfg;
    return port < PORTS ? 0 : -ENODEV;
}

static int lb_cmd(line_board *b, uint32_t port, const line_cmd_v1 *cmd) {
    (void)b;
    if (port >= PORTS) return -ENODEV;
    switch (cmd->kind) {
    case LINE_CMD_RING:
        return cmd->u.ring.count >= 2 && cmd->u.ring.count <= LINE_MAX_CADENCE ? 0 : -EINVAL;
    case LINE_CMD_RING_STOP:
        return 0;
    default:
        return -ENOTSUP;
    }
}

static int lb_audio(line_board *b, const line_audio_cfg_v1 *cfg) {
    uint32_t port;
    if (cfg->rate != 8000 || (cfg->frame_us != 5000 && cfg->frame_us != 10000)) return -EINVAL;
    b->frame_us = cfg->frame_us;
    b->samples = cfg->frame_us / 125;
    b->sample = 0;
    clock_gettime(CLOCK_MONOTONIC, &b->next);
    for (port = 0; port < PORTS; port++) emit(b, port, LINE_EV_READY, LINE_PORT_FXS);
    return 0;
}

static int lb_pump(line_board *b, uint32_t timeout_us) {
    int rc;
    (void)timeout_us;
    b->next.tv_nsec += (long)b->frame_us * 1000;
    if (b->next.tv_nsec >= 1000000000L) {
        b->next.tv_nsec -= 1000000000L;
        b->next.tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &b->next, NULL);
    rc = b->host->frame(b->host->ctx, b->rx, b->tx, b->samples, b->sample, b->host->now_ns(b->host->ctx));
    memcpy(b->rx, b->tx, sizeof b->rx);
    b->sample += b->samples;
    return rc;
}

static int lb_status(line_board *b, uint32_t port, line_port_status_v1 *s) {
    if (port >= PORTS) return -ENODEV;
    s->off_hook = (uint32_t)b->off_hook[port];
    s->volts = b->off_hook[port] ? 7.0f : 48.0f;
    s->milliamps = b->off_hook[port] ? 22.0f : 0.0f;
    s->battery_volts = 48.0f;
    return 0;
}

static int lb_ask(line_board *b, const char *name, const uint8_t *req, uint32_t len, line_reply_cb reply, void *ctx) {
    uint32_t port = len == 1 && req[0] >= '0' ? (uint32_t)(req[0] - '0') : PORTS;
    int lift = strcmp(name, "lift") == 0;
    if (!lift && strcmp(name, "hangup") != 0) {
        static const char unknown[] = "ask me lift or hangup";
        reply(ctx, (const uint8_t *)unknown, sizeof unknown - 1);
        return -ENOTSUP;
    }
    if (port >= PORTS) return -ENODEV;
    b->off_hook[port] = lift;
    emit(b, port, lift ? LINE_EV_OFFHOOK : LINE_EV_ONHOOK, 0);
    reply(ctx, (const uint8_t *)"ok", 2);
    return 0;
}

#ifndef LOOPBACK_AS_PART
static const line_driver_v1 driver = {
    .abi_major = LINE_ABI_MAJOR, .abi_minor = LINE_ABI_MINOR, .struct_size = sizeof(line_driver_v1),
    .id = "loopback", .version = "1", .license = "MIT OR Apache-2.0",
    .probe = lb_probe, .open = lb_open, .close = lb_close, .board_info = lb_info, .port_caps = lb_caps,
    .configure = lb_configure, .line_cmd = lb_cmd, .audio_start = lb_audio, .pump = lb_pump,
    .get_status = lb_status, .ask = lb_ask,
};

const line_driver_v1 *line_driver_entry(uint32_t host_abi) {
    return host_abi >> 16 == LINE_ABI_MAJOR ? &driver : NULL;
}
#endif
