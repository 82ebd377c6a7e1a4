/*
 * status.c - status lines with their texts, and the Date line.
 *
 * The texts are those of Go's net/http, because clients of Traefik see them as bodies of redirections and
 * errors. Lines are static: a response takes a slice of one, nothing is formatted.
 */
#include "common/http/h1.h"

#define STATUSES(STATUS)                                                                                     \
    STATUS(100, "Continue")                                                                                  \
    STATUS(101, "Switching Protocols")                                                                       \
    STATUS(102, "Processing")                                                                                \
    STATUS(103, "Early Hints")                                                                               \
    STATUS(200, "OK")                                                                                        \
    STATUS(201, "Created")                                                                                   \
    STATUS(202, "Accepted")                                                                                  \
    STATUS(203, "Non-Authoritative Information")                                                             \
    STATUS(204, "No Content")                                                                                \
    STATUS(205, "Reset Content")                                                                             \
    STATUS(206, "Partial Content")                                                                           \
    STATUS(207, "Multi-Status")                                                                              \
    STATUS(208, "Already Reported")                                                                          \
    STATUS(226, "IM Used")                                                                                   \
    STATUS(300, "Multiple Choices")                                                                          \
    STATUS(301, "Moved Permanently")                                                                         \
    STATUS(302, "Found")                                                                                     \
    STATUS(303, "See Other")                                                                                 \
    STATUS(304, "Not Modified")                                                                              \
    STATUS(305, "Use Proxy")                                                                                 \
    STATUS(307, "Temporary Redirect")                                                                        \
    STATUS(308, "Permanent Redirect")                                                                        \
    STATUS(400, "Bad Request")                                                                               \
    STATUS(401, "Unauthorized")                                                                              \
    STATUS(402, "Payment Required")                                                                          \
    STATUS(403, "Forbidden")                                                                                 \
    STATUS(404, "Not Found")                                                                                 \
    STATUS(405, "Method Not Allowed")                                                                        \
    STATUS(406, "Not Acceptable")                                                                            \
    STATUS(407, "Proxy Authentication Required")                                                             \
    STATUS(408, "Request Timeout")                                                                           \
    STATUS(409, "Conflict")                                                                                  \
    STATUS(410, "Gone")                                                                                      \
    STATUS(411, "Length Required")                                                                           \
    STATUS(412, "Precondition Failed")                                                                       \
    STATUS(413, "Request Entity Too Large")                                                                  \
    STATUS(414, "Request URI Too Long")                                                                      \
    STATUS(415, "Unsupported Media Type")                                                                    \
    STATUS(416, "Requested Range Not Satisfiable")                                                           \
    STATUS(417, "Expectation Failed")                                                                        \
    STATUS(418, "I'm a teapot")                                                                              \
    STATUS(421, "Misdirected Request")                                                                       \
    STATUS(422, "Unprocessable Entity")                                                                      \
    STATUS(423, "Locked")                                                                                    \
    STATUS(424, "Failed Dependency")                                                                         \
    STATUS(425, "Too Early")                                                                                 \
    STATUS(426, "Upgrade Required")                                                                          \
    STATUS(428, "Precondition Required")                                                                     \
    STATUS(429, "Too Many Requests")                                                                         \
    STATUS(431, "Request Header Fields Too Large")                                                           \
    STATUS(451, "Unavailable For Legal Reasons")                                                             \
    STATUS(500, "Internal Server Error")                                                                     \
    STATUS(501, "Not Implemented")                                                                           \
    STATUS(502, "Bad Gateway")                                                                               \
    STATUS(503, "Service Unavailable")                                                                       \
    STATUS(504, "Gateway Timeout")                                                                           \
    STATUS(505, "HTTP Version Not Supported")                                                                \
    STATUS(506, "Variant Also Negotiates")                                                                   \
    STATUS(507, "Insufficient Storage")                                                                      \
    STATUS(508, "Loop Detected")                                                                             \
    STATUS(510, "Not Extended")                                                                              \
    STATUS(511, "Network Authentication Required")

static const struct {
    struct slice line; /* with CRLF */
    const char *text;
} statuses[600] = {
#define STATUS(code, phrase) [code] = {SLICE_INIT("HTTP/1.1 " #code " " phrase "\r\n"), phrase},
    STATUSES(STATUS)
#undef STATUS
};

struct slice h1_status_line(uint16_t status)
{
    return status < ARRAY_LEN(statuses) ? statuses[status].line : slice_of(NULL, 0);
}

const char *http_status_text(uint16_t status)
{
    return status < ARRAY_LEN(statuses) && statuses[status].text ? statuses[status].text : "";
}

/* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
static char date_line[] = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
static int64_t date_second;

struct slice http_date(void)
{
    return slice_of(date_line, sizeof(date_line) - 1);
}

static void two_digits(char *at, unsigned value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
}

/* Days since 1970-01-01 to year, month (1-12), day, by eras of 400 years that begin in March. */
static void civil_date(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    unsigned of_era = (unsigned)(shifted - era * 146097);
    unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned march_month = (5 * of_year + 2) / 153;

    *day = of_year - (153 * march_month + 2) / 5 + 1;
    *month = march_month < 10 ? march_month + 3 : march_month - 9;
    *year = (unsigned)(era * 400) + year_of_era + (*month <= 2);
}

void http_date_update(int64_t unix_seconds)
{
    static const char days[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    unsigned year, month, day;

    if (unix_seconds == date_second || unix_seconds < 0 || unix_seconds > 253402300799) {
        return; /* the same second, or a clock outside the years that have four digits */
    }
    date_second = unix_seconds;
    int64_t number = unix_seconds / 86400;
    unsigned second = (unsigned)(unix_seconds % 86400);

    civil_date(number, &year, &month, &day);
    memcpy(date_line + 6, days + 3 * (number % 7), 3);
    two_digits(date_line + 11, day);
    memcpy(date_line + 14, months + 3 * (month - 1), 3);
    two_digits(date_line + 18, year / 100);
    two_digits(date_line + 20, year % 100);
    two_digits(date_line + 23, second / 3600);
    two_digits(date_line + 26, second / 60 % 60);
    two_digits(date_line + 29, second % 60);
}
