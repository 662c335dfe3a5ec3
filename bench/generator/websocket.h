/* WebSocket frames (RFC 6455) as a client needs them: masked out, unmasked in. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WS_TEXT = 1, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

struct ws_frame {
  int opcode;
  const char *payload;
  size_t length;
};

/* Returns the bytes the first frame of `data` takes and fills `frame`; 0 when it is not all there yet. */
static inline size_t ws_parse(const char *data, size_t have, struct ws_frame *frame) {
  const uint8_t *byte = (const uint8_t *)data;
  size_t header = 2, length;
  if (have < header) return 0;
  length = byte[1] & 0x7f;
  if (length == 126) {
    header = 4;
    if (have < header) return 0;
    length = (size_t)byte[2] << 8 | byte[3];
  } else if (length == 127) {
    header = 10;
    if (have < header) return 0;
    length = 0;
    for (int i = 2; i < 10; i++) length = length << 8 | byte[i];
  }
  if (have - header < length) return 0;
  frame->opcode = byte[0] & 0x0f;
  frame->payload = data + header;
  frame->length = length;
  return header + length;
}

/* Writes one whole masked frame to `out`, which has room for length + 8 bytes; length is below 65,536. */
static inline size_t ws_write(char *out, int opcode, const char *payload, size_t length) {
  static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
  size_t at = 0;
  out[at++] = (char)(0x80 | opcode);
  if (length < 126) {
    out[at++] = (char)(0x80 | length);
  } else {
    out[at++] = (char)(0x80 | 126);
    out[at++] = (char)(length >> 8);
    out[at++] = (char)(length & 0xff);
  }
  memcpy(out + at, mask, 4);
  at += 4;
  for (size_t i = 0; i < length; i++) out[at + i] = (char)((uint8_t)payload[i] ^ mask[i & 3]);
  return at + length;
}
