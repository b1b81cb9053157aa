// jsforce alone: bulk2 query of orders and lines to files, nothing else.
// node jsforce_download.mjs FOLDER_WITH_JSFORCE URL TOKEN TARGET_FOLDER SOQL...
import { createWriteStream } from "node:fs";
import { createRequire } from "node:module";
import { pipeline } from "node:stream/promises";

const [home, instanceUrl, accessToken, target, ...queries] = process.argv.slice(2);
const jsforce = createRequire(`${home}/package.json`)("jsforce");
const org = new jsforce.Connection({ instanceUrl, accessToken, version: "68.0" });
org.bulk2.pollInterval = 100;
org.bulk2.pollTimeout = 3600000;
let place = 0;
for (const query of queries) {
  const records = await org.bulk2.query(query, { pollInterval: 100, pollTimeout: 3600000, scanAll: true });
  await pipeline(records.stream(), createWriteStream(`${target}/rows-${place++}.csv`));
}
