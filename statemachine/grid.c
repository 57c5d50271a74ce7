#include "statemachine/grid.h"

#include "base/wide.h"
#include "statemachine/saturate.h"

int64_t grid_boundary(const struct config *config, int64_t time_ms)
{
    return saturating_multiply(floor_divide(time_ms, config->column_ms), config->column_ms);
}

int64_t grid_last_offered(const struct config *config, int64_t time_ms)
{
    return saturating_add(grid_boundary(config, time_ms), config->columns * config->column_ms);
}

int64_t grid_band_e4(const struct grid *grid, const struct config *config, int64_t column_ms)
{
    if (column_ms >= grid->band_e4_from) {
        return config->band_e4;
    }
    return column_ms >= grid->band_e4_before_from ? grid->band_e4_before : grid->band_e4_oldest;
}

void grid_bounds(int64_t band, int64_t band_e4, int64_t *lo_e4, int64_t *hi_e4)
{
    *lo_e4 = saturating_multiply(band, band_e4);
    *hi_e4 = saturating_add(*lo_e4, band_e4);
}

int64_t grid_band_of(int64_t price_e4, int64_t band_e4)
{
    return floor_divide(price_e4, band_e4);
}

bool grid_band_on_offer(const struct config *config, int64_t band, int64_t price_e4,
                        int64_t band_e4)
{
    const int64_t reach = config->bands / 2;
    const int64_t centre = grid_band_of(price_e4, band_e4);
    return band >= centre - reach && band <= centre + reach;
}

void grid_change(struct grid *grid, const struct config *before, const struct config *after,
                 int64_t time_ms)
{
    const int64_t last = grid_last_offered(before, time_ms);
    if (last > grid->offered_until_ms) {
        grid->offered_until_ms = last;
    }
    if (after->band_e4 != before->band_e4) {
        grid->band_e4_oldest = grid->band_e4_before;
        grid->band_e4_before_from = grid->band_e4_from;
        grid->band_e4_before = before->band_e4;
        grid->band_e4_from = saturating_add(grid->offered_until_ms, after->column_ms);
    }
}
