/* version.h -- the version that --version, /api/v1/status and the SDK's user agent show.
 *
 * Memory:  none.
 * Threads: none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#define TELLTALE_VERSION "0.1.0"
