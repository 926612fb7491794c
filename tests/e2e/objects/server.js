/* server.js -- s3rver, an S3 server that checks signatures (version 4), for test_36_external_content.py.
 *
 *   node server.js FOLDER PORT     prints "port N" when it listens; objects are files of FOLDER
 *
 * SPDX-License-Identifier: Apache-2.0
 */
'use strict';
const S3rver = require('s3rver');
const account = require('s3rver/lib/models/account');

account.DUMMY_ACCOUNT.createKeyPair('test-key', 'test-key-secret');
const server = new S3rver({
  address: '127.0.0.1',
  port: Number(process.argv[3]),
  directory: process.argv[2],
  silent: true,
  vhostBuckets: false,
  configureBuckets: [{ name: 'prompts' }],
});
server.run().then((address) => console.log(`port ${address.port}`));
