/* Counts of nanoseconds in buckets at most 3 % wide: a percentile of millions of values in 16 KiB. */
#pragma once
#include <stdint.h>

enum { HISTOGRAM_BITS = 5, HISTOGRAM_SIZE = 64 << HISTOGRAM_BITS };

struct histogram {
  uint64_t count, buckets[HISTOGRAM_SIZE];
};

static inline unsigned histogram_bucket(uint64_t value) {
  if (value < 1u << HISTOGRAM_BITS) return (unsigned)value;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
  return ((shift + 1) << HISTOGRAM_BITS) + (unsigned)((value >> shift) & ((1u << HISTOGRAM_BITS) - 1));
}

/* The middle of a bucket, in nanoseconds. */
static inline uint64_t histogram_value(unsigned bucket) {
  if (bucket < 1u << HISTOGRAM_BITS) return bucket;
  unsigned shift = (bucket >> HISTOGRAM_BITS) - 1;
  uint64_t low = (uint64_t)((1u << HISTOGRAM_BITS) | (bucket & ((1u << HISTOGRAM_BITS) - 1))) << shift;
  return low + ((1ull << shift) >> 1);
}

static inline void histogram_add(struct histogram *histogram, uint64_t value) {
  histogram->count++;
  histogram->buckets[histogram_bucket(value)]++;
}

/* The smallest value that at least `share` (0 to 1) of all values do not exceed; 0 without values. */
static inline uint64_t histogram_quantile(const struct histogram *histogram, double share) {
  uint64_t seen = 0, wanted = (uint64_t)(share * (double)histogram->count);
  if (!histogram->count) return 0;
  if (wanted >= histogram->count) wanted = histogram->count - 1;
  for (unsigned bucket = 0; bucket < HISTOGRAM_SIZE; bucket++) {
    seen += histogram->buckets[bucket];
    if (seen > wanted) return histogram_value(bucket);
  }
  return 0;
}
