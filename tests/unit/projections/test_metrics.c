#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "projections/metrics.h"

static void assert_has(const struct json *page, const char *lines)
{
    if (strstr(page->text, lines) == NULL) {
        print_error("not on the page: %s\n%s\n", lines, page->text);
    }
    assert_non_null(strstr(page->text, lines));
}

/* Proves that every name of the interface is on the page from the first moment. */
static void all_names_are_there_from_the_start(void **state)
{
    (void)state;
    static const char *const names[] = {"tapline_http_requests_total",
                                        "tapline_http_request_seconds",
                                        "tapline_bets_total",
                                        "tapline_accept_seconds",
                                        "tapline_confirm_seconds",
                                        "tapline_journal_sync_seconds",
                                        "tapline_journal_batch_records",
                                        "tapline_index_age_seconds",
                                        "tapline_breaker_state",
                                        "tapline_sources_fresh",
                                        "tapline_ws_clients",
                                        "tapline_nonces",
                                        "tapline_queue_depth",
                                        "tapline_projection_lag_records",
                                        "tapline_ledger_imbalance_micro",
                                        "tapline_column_liability_micro",
                                        "tapline_replay_divergence_total",
                                        "tapline_disk_free_bytes",
                                        "tapline_integrity_last_ok_timestamp",
                                        "last_successful_archive_timestamp"};
    struct metrics *metrics = metrics_new();
    struct json page = {0};
    metrics_write(metrics, &page);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_non_null(strstr(page.text, names[i]));
    }
    assert_has(&page, "\nlast_successful_archive_timestamp 0\n");
    assert_has(&page, "\ntapline_ledger_imbalance_micro 0\n");
    assert_null(strstr(page.text, "given in")); /* how the code is told is not how it is shown */
    json_text_free(&page);
    metrics_free(metrics);
}

/* Proves the text of counters and gauges, in base units. */
static void counters_and_gauges_as_text(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    const uint32_t bets = metrics_route(metrics, "/v1/bets");
    const uint32_t grid = metrics_route(metrics, "/v1/grid");
    assert_int_equal(metrics_route(metrics, "/v1/bets"), bets);
    const uint32_t queue = metrics_queue(metrics, "projector");
    const uint32_t sqlite = metrics_projection(metrics, "sqlite");
    metrics_count_http(metrics, bets, 202);
    metrics_count_http(metrics, bets, 202);
    metrics_count_http(metrics, bets, 418);
    metrics_count_http(metrics, grid, 200);
    metrics_count_refused(metrics, metrics_refusal(metrics, "DRAINING"));
    metrics_count_refused(metrics, metrics_refusal(metrics, "DRAINING"));
    (void)metrics_refusal(metrics, "RATE_LIMITED"); /* never counted: not on the page */
    metrics_count_bet(metrics, BET_WON, REASON_NONE);
    metrics_count_bet(metrics, BET_REJECTED, REASON_PRICE_MOVED);
    metrics_count_divergence(metrics);
    metrics_set(metrics, METRICS_INDEX_AGE, 1234);
    metrics_set(metrics, METRICS_BREAKER_STATE, 2);
    metrics_set(metrics, METRICS_LEDGER_IMBALANCE, -5);
    metrics_set_queue(metrics, queue, 17);
    metrics_set_lag(metrics, sqlite, 42);
    struct json page = {0};
    metrics_write(metrics, &page);
    assert_has(&page, "# HELP tapline_http_requests_total HTTP requests answered.\n"
                      "# TYPE tapline_http_requests_total counter\n"
                      "tapline_http_requests_total{route=\"/v1/bets\",code=\"202\"} 2\n"
                      "tapline_http_requests_total{route=\"/v1/bets\",code=\"other\"} 1\n"
                      "tapline_http_requests_total{route=\"/v1/grid\",code=\"200\"} 1\n"
                      "# HELP tapline_bets_total");
    assert_has(&page, "\ntapline_bets_total{state=\"refused\",reason=\"DRAINING\"} 2\n"
                      "tapline_bets_total{state=\"rejected\",reason=\"PRICE_MOVED\"} 1\n"
                      "tapline_bets_total{state=\"won\",reason=\"\"} 1\n");
    assert_has(&page, "\ntapline_index_age_seconds 1.234\n");
    assert_has(&page, "\ntapline_breaker_state 2\n");
    assert_has(&page, "\ntapline_ledger_imbalance_micro -5\n");
    assert_has(&page, "\ntapline_queue_depth{queue=\"projector\"} 17\n");
    assert_has(&page, "\ntapline_projection_lag_records{projection=\"sqlite\"} 42\n");
    assert_has(&page, "\ntapline_replay_divergence_total 1\n");
    json_text_free(&page);
    metrics_free(metrics);
}

/* Proves that buckets cumulate, that a bound belongs to its bucket, and that nothing is lost above.
 */
static void histograms_cumulate(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    metrics_observe(metrics, METRICS_ACCEPT, 100000); /* 0.1 ms, on the bound */
    metrics_observe(metrics, METRICS_ACCEPT, 100001);
    metrics_observe(metrics, METRICS_ACCEPT, 60000000000); /* a minute */
    metrics_observe(metrics, METRICS_JOURNAL_BATCH, 1);
    metrics_observe(metrics, METRICS_JOURNAL_BATCH, 3);
    struct json page = {0};
    metrics_write(metrics, &page);
    assert_has(&page, "# TYPE tapline_accept_seconds histogram\n"
                      "tapline_accept_seconds_bucket{le=\"0.0001\"} 1\n"
                      "tapline_accept_seconds_bucket{le=\"0.00025\"} 2\n");
    assert_has(&page, "\ntapline_accept_seconds_bucket{le=\"10\"} 2\n"
                      "tapline_accept_seconds_bucket{le=\"+Inf\"} 3\n"
                      "tapline_accept_seconds_sum 60.000200001\n"
                      "tapline_accept_seconds_count 3\n");
    assert_has(&page, "\ntapline_journal_batch_records_bucket{le=\"1\"} 1\n"
                      "tapline_journal_batch_records_bucket{le=\"2\"} 1\n"
                      "tapline_journal_batch_records_bucket{le=\"4\"} 2\n");
    assert_has(&page, "\ntapline_journal_batch_records_sum 4\n"
                      "tapline_journal_batch_records_count 2\n");
    json_text_free(&page);
    metrics_free(metrics);
}

/* Proves that names beyond the table share one place and are still counted. */
static void names_beyond_the_table_are_other(void **state)
{
    (void)state;
    static char names[METRICS_LABELS_MAX + 3][8];
    struct metrics *metrics = metrics_new();
    uint32_t last = 0;
    for (uint32_t i = 0; i < METRICS_LABELS_MAX + 3; i++) {
        names[i][0] = 'q';
        names[i][1] = (char)('0' + i / 10);
        names[i][2] = (char)('0' + i % 10);
        last = metrics_queue(metrics, names[i]);
    }
    assert_int_equal(last, METRICS_LABELS_MAX - 1);
    metrics_set_queue(metrics, last, 5);
    struct json page = {0};
    metrics_write(metrics, &page);
    assert_has(&page, "\ntapline_queue_depth{queue=\"q30\"} 0\n"
                      "tapline_queue_depth{queue=\"other\"} 5\n");
    json_text_free(&page);
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_names_are_there_from_the_start),
        cmocka_unit_test(counters_and_gauges_as_text),
        cmocka_unit_test(histograms_cumulate),
        cmocka_unit_test(names_beyond_the_table_are_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
