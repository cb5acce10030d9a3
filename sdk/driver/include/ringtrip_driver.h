/* The C ABI between Ringtrip's board host and a board driver, version 1.
 *
 * A driver is a shared object with one symbol, line_driver_entry. It is loaded into a process of its own, one
 * process a board; when it crashes, its own lines go away and nothing else does.
 *
 * Rules
 *  - Every entry point is called from one thread, the board thread. So are the host's callbacks: call them only from
 *    inside an entry point, never from a thread of your own, never after close().
 *  - pump() is the clock: it waits for one tick of the hardware (or timeout_us), hands finished frames to
 *    host->frame() and reports what it saw through host->event(). All other entry points return at once.
 *  - Every struct begins with its size. Read only as much as struct_size says; leave unknown tail fields alone.
 *  - Return 0 or a positive value when it worked, a negative errno when it did not. What a port cannot do answers
 *    -ENOTSUP, and its caps say so beforehand.
 *  - No C++ exception and no Rust panic may leave an entry point.
 *
 * Licence: MIT OR Apache-2.0.
 */
#ifndef RINGTRIP_DRIVER_H
#define RINGTRIP_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LINE_ABI_MAJOR 1u
#define LINE_ABI_MINOR 0u
#define LINE_MAX_CADENCE 16u
#define LINE_MAX_DIGITS 64u

/* A board as the driver sees it; only the driver looks inside. */
typedef struct line_board line_board;

/* What a port is. */
enum { LINE_PORT_FXS = 1, LINE_PORT_FXO = 2 };

/* Severity of a log line. */
enum { LINE_LOG_ERROR = 1, LINE_LOG_WARN = 2, LINE_LOG_INFO = 3, LINE_LOG_DEBUG = 4 };

/* Battery polarity. */
enum { LINE_POLARITY_FORWARD = 0, LINE_POLARITY_REVERSE = 1 };

/* Who makes the board's clock. */
enum { LINE_CLOCK_HARDWARE = 1, LINE_CLOCK_SYSTEM = 2 };

/* Companding law on the board's PCM bus, for boards that care. Frames are always linear S16. */
enum { LINE_LAW_LINEAR = 0, LINE_LAW_MU = 1, LINE_LAW_A = 2 };

/* Line feed states (LINE_CMD_LINEFEED). */
enum {
    LINE_FEED_OPEN = 0, LINE_FEED_FORWARD = 1, LINE_FEED_REVERSE = 2, LINE_FEED_OHT_FORWARD = 3,
    LINE_FEED_OHT_REVERSE = 4, LINE_FEED_TIP_OPEN = 5, LINE_FEED_RING_OPEN = 6
};

/* What a port saw: line_event_v1.kind. */
enum {
    LINE_EV_READY = 1,           /* works (again); u.value = LINE_PORT_* */
    LINE_EV_BOARD_GONE = 2,      /* the board went away; nothing else comes */
    LINE_EV_OFFHOOK = 3,         /* FXS: lifted */
    LINE_EV_ONHOOK = 4,          /* FXS: hung up */
    LINE_EV_FLASH = 5,           /* FXS: hook flash; u.value = ms */
    LINE_EV_PULSE_DIGIT = 6,     /* FXS: u.value = ASCII digit */
    LINE_EV_RING_TRIP = 7,       /* FXS: lifted while ringing; OFFHOOK does not follow */
    LINE_EV_RING_BEGIN = 8,      /* FXO: a ring burst began; u.value = Hz */
    LINE_EV_RING_END = 9,        /* FXO: a ring burst ended; u.value = ms */
    LINE_EV_POLARITY = 10,       /* FXO: u.value = LINE_POLARITY_* */
    LINE_EV_CPC = 11,            /* FXO: battery was removed while off-hook; u.value = ms seen so far */
    LINE_EV_BATTERY_LOST = 12,   /* FXO: no battery */
    LINE_EV_BATTERY_OK = 13,     /* FXO: battery is back */
    LINE_EV_EXT_PICKUP = 14,     /* FXO: parallel telephone; u.value = 1 lifted, 0 hung up */
    LINE_EV_READING = 15,        /* u.reading; at most a few a second */
    LINE_EV_DTMF = 16,           /* hardware detector; u.value = ASCII key */
    LINE_EV_ALARM = 17,          /* u.value = LINE_ALARM_* bits now set */
    LINE_EV_ALARM_CLEAR = 18,    /* u.value = LINE_ALARM_* bits now clear */
    LINE_EV_MWI_NEON = 19,       /* FXO: u.value = 1 on, 0 off */
    LINE_EV_METER = 20,          /* FXO: one metering pulse */
    LINE_EV_XRUN = 21,           /* u.value = frames lost */
    LINE_EV_HOOK_EDGE = 22       /* raw edge, optional; u.value = 1 closed, 0 open */
};

/* Alarm bits. */
enum {
    LINE_ALARM_POWER = 1, LINE_ALARM_THERMAL = 2, LINE_ALARM_LINK = 4, LINE_ALARM_CLOCK = 8,
    LINE_ALARM_CALIBRATION = 16
};

/* What a port should do: line_cmd_v1.kind. Bit (1 << kind) of line_port_caps_v1.commands says whether it can. */
enum {
    LINE_CMD_LINEFEED = 1,   /* u.value = LINE_FEED_* */
    LINE_CMD_RING = 2,       /* FXS: u.ring */
    LINE_CMD_RING_STOP = 3,  /* FXS */
    LINE_CMD_HOOK = 4,       /* FXO: u.value = 1 off-hook (seize), 0 on-hook (release) */
    LINE_CMD_FLASH = 5,      /* FXO: u.value = ms */
    LINE_CMD_PULSE = 6,      /* FXO: u.pulse */
    LINE_CMD_POLARITY = 7,   /* FXS: u.value = LINE_POLARITY_* */
    LINE_CMD_CPC = 8,        /* FXS: u.value = ms without battery (open switching interval) */
    LINE_CMD_GAIN = 9,       /* u.gain */
    LINE_CMD_IMPEDANCE = 10, /* u.value: 0 = 600 ohm, 1 = 900 ohm, 2 = TBR 21, ... */
    LINE_CMD_HYBRID = 11,    /* u.hybrid */
    LINE_CMD_ECHO = 12,      /* u.value = tail in ms, 0 = off */
    LINE_CMD_OHT = 13,       /* FXS: u.value = ms of audio towards an on-hook telephone */
    LINE_CMD_MWI = 14,       /* FXS: u.mwi */
    LINE_CMD_METER = 15,     /* FXS: u.value = pulses */
    LINE_CMD_POWER_DOWN = 16 /* u.value = 1 down, 0 up */
};

/* Tests for diag(). */
enum {
    LINE_DIAG_VOLTAGES = 1, LINE_DIAG_LOOP_CURRENT = 2, LINE_DIAG_RESISTANCE = 3, LINE_DIAG_FOREIGN_EMF = 4,
    LINE_DIAG_REN = 5, LINE_DIAG_OFF_HOOK = 6, LINE_DIAG_RINGING = 7, LINE_DIAG_PCM_LOOP = 8,
    LINE_DIAG_FXO_LINE = 9, LINE_DIAG_HYBRID = 10
};

/* Verdict of a diagnostic reading. */
enum { LINE_VERDICT_PASS = 0, LINE_VERDICT_FAIL = 1, LINE_VERDICT_UNKNOWN = 2 };

/* A board that probe() found. Ports are keyed by driver, serial and port number, never by index. */
typedef struct line_board_id_v1 {
    uint32_t struct_size;
    uint32_t reserved;
    char serial[64];
    char model[64];
} line_board_id_v1;

typedef struct line_board_info_v1 {
    uint32_t struct_size;
    uint32_t ports;
    uint32_t clock;       /* LINE_CLOCK_* */
    uint32_t frame_us[4]; /* frame lengths that it can do, 0 = unused */
    uint32_t reserved;
    char model[64];
    char serial[64];
} line_board_info_v1;

typedef struct line_port_caps_v1 {
    uint32_t struct_size;
    uint32_t kind;     /* LINE_PORT_* */
    uint64_t commands; /* bit (1 << LINE_CMD_*) */
    uint64_t events;   /* bit (1 << LINE_EV_*) */
} line_port_caps_v1;

/* How a port shall behave. A 0 means: the driver's own default. */
typedef struct line_port_cfg_v1 {
    uint32_t struct_size;
    char country[4];      /* "us", "uk", ... */
    uint32_t impedance;
    uint32_t law;         /* LINE_LAW_* */
    int32_t rx_gain_db10; /* towards the exchange, 0.1 dB */
    int32_t tx_gain_db10; /* towards the line, 0.1 dB */
    uint32_t loop_ma;
    uint32_t flash_min_ms;
    uint32_t flash_max_ms;
    uint32_t pulse_max_ms; /* longest break that is a dial pulse; 1 = no pulse dialling */
    uint32_t cpc_min_ms;   /* FXO: shortest battery removal that is a disconnect */
    uint32_t ring_min_ms;  /* FXO: ring validation time */
    uint32_t ring_volts;   /* FXS: volts RMS */
    uint32_t reserved;
} line_port_cfg_v1;

typedef struct line_ring_v1 {
    uint32_t count;                 /* entries of cadence_ms in use: on, off, on, off, ... */
    uint32_t hz;                    /* 10 to 100 */
    uint32_t repeat;                /* 0 = until RING_STOP or ring trip */
    uint32_t crest_x10;             /* crest factor * 10, 14 = sine, 0 = default */
    uint16_t cadence_ms[LINE_MAX_CADENCE];
} line_ring_v1;

typedef struct line_pulse_v1 {
    uint32_t count;
    uint16_t make_ms;  /* 0 = default (40) */
    uint16_t break_ms; /* 0 = default (60) */
    uint16_t gap_ms;   /* 0 = default (800) */
    uint16_t reserved;
    char digits[LINE_MAX_DIGITS];
} line_pulse_v1;

typedef struct line_gain_v1 { int32_t rx_db10; int32_t tx_db10; } line_gain_v1;
typedef struct line_hybrid_v1 { uint32_t acim; uint8_t coef[8]; } line_hybrid_v1;
typedef struct line_mwi_v1 { uint32_t kind; uint32_t count; } line_mwi_v1;

typedef struct line_cmd_v1 {
    uint32_t struct_size;
    uint32_t kind; /* LINE_CMD_* */
    union {
        uint32_t value;
        line_ring_v1 ring;
        line_pulse_v1 pulse;
        line_gain_v1 gain;
        line_hybrid_v1 hybrid;
        line_mwi_v1 mwi;
    } u;
} line_cmd_v1;

typedef struct line_reading_v1 { float volts; float milliamps; } line_reading_v1;

typedef struct line_event_v1 {
    uint32_t struct_size;
    uint32_t kind;    /* LINE_EV_* */
    uint32_t port;
    uint32_t reserved;
    uint64_t mono_ns; /* CLOCK_MONOTONIC */
    uint64_t sample;  /* index of the sample it belongs to, counted from audio_start */
    union {
        uint32_t value;
        line_reading_v1 reading;
    } u;
} line_event_v1;

typedef struct line_audio_cfg_v1 {
    uint32_t struct_size;
    uint32_t rate;     /* samples a second: 8000 */
    uint32_t frame_us; /* 5000 or 10000 */
    uint32_t ports;
} line_audio_cfg_v1;

typedef struct line_port_status_v1 {
    uint32_t struct_size;
    uint32_t off_hook;
    uint32_t ringing;
    uint32_t polarity;
    float volts;         /* tip to ring, signed */
    float milliamps;
    float battery_volts;
    float celsius;
    uint32_t alarms;
    uint32_t xruns;
    float clock_ppm;
    uint32_t reserved;
} line_port_status_v1;

typedef struct line_diag_result_v1 {
    uint32_t struct_size;
    uint32_t test;
    float value;
    float low;
    float high;
    uint32_t verdict; /* LINE_VERDICT_* */
    char unit[8];
} line_diag_result_v1;

typedef void (*line_probe_cb)(void *ctx, const line_board_id_v1 *found);
typedef void (*line_diag_cb)(void *ctx, const line_diag_result_v1 *result);
/* May be called several times for one answer: the pieces are joined. */
typedef void (*line_reply_cb)(void *ctx, const uint8_t *bytes, uint32_t len);

/* What the host offers. Valid from open() to the end of close(). */
typedef struct line_host_v1 {
    uint32_t struct_size;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t reserved;
    void *ctx;
    void (*log)(void *ctx, uint32_t level, const char *text, uint32_t len);
    uint64_t (*now_ns)(void *ctx); /* CLOCK_MONOTONIC */
    void (*event)(void *ctx, const line_event_v1 *event);
    /* One whole-board frame: samples * ports values each way, interleaved by port (sample 0 of port 0, 1, ...).
     * rx comes from the lines, tx goes to them; the host fills tx, with silence on underrun. 0, or a negative errno. */
    int (*frame)(void *ctx, const int16_t *rx, int16_t *tx, uint32_t samples, uint64_t sample, uint64_t mono_ns);
} line_host_v1;

typedef struct line_driver_v1 {
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t struct_size;
    uint32_t reserved;
    const char *id;
    const char *version;
    const char *license;
    uint64_t features;
    int (*probe)(const line_host_v1 *host, const char *cfg_json, line_probe_cb found, void *ctx);
    int (*open)(const line_host_v1 *host, const line_board_id_v1 *id, const char *cfg_json, line_board **board);
    void (*close)(line_board *board);
    int (*board_info)(line_board *board, line_board_info_v1 *info);
    int (*port_caps)(line_board *board, uint32_t port, line_port_caps_v1 *caps);
    int (*configure)(line_board *board, uint32_t port, const line_port_cfg_v1 *cfg);
    int (*line_cmd)(line_board *board, uint32_t port, const line_cmd_v1 *cmd);
    int (*audio_start)(line_board *board, const line_audio_cfg_v1 *cfg);
    int (*pump)(line_board *board, uint32_t timeout_us);
    int (*diag)(line_board *board, uint32_t port, uint32_t test, line_diag_cb result, void *ctx);
    int (*get_status)(line_board *board, uint32_t port, line_port_status_v1 *status);
    /* Anything else a driver wants to be asked, such as a simulator's controls. */
    int (*ask)(line_board *board, const char *name, const uint8_t *request, uint32_t len, line_reply_cb reply,
               void *ctx);
} line_driver_v1;

/* host_abi = LINE_ABI_MAJOR << 16 | LINE_ABI_MINOR. NULL when the driver cannot work with this host. */
const line_driver_v1 *line_driver_entry(uint32_t host_abi);

#ifdef __cplusplus
}
#endif

#endif
