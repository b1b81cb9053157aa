// One journey of a real client through the org: describe, write, read, page, bulk.
// Everything it learned goes to stdout as one JSON object; the test judges it.
import jsforce from "jsforce";

const [instanceUrl, accessToken] = process.argv.slice(2);
const org = new jsforce.Connection({ instanceUrl, accessToken, version: "68.0" });
org.bulk2.pollInterval = 20;
org.bulk2.pollTimeout = 20000;
const seen = {};

const described = await org.sobject("Account").describe();
seen.described = described.fields.some((field) => field.name === "Erp_Key__c" && field.externalId);
seen.versions = (await org.request("/services/data/")).length > 0;

const created = await org.sobject("Account").create({ Name: "Zürich \"AG\"", Erp_Key__c: "J-1", AnnualRevenue: 12345678 });
seen.created = created.success;
await org.sobject("Account").update({ Id: created.id, Phone: "0441" });
const upserted = await org.sobject("Account").upsert({ Erp_Key__c: "J-1", Site: "HQ" }, "Erp_Key__c");
seen.upserted = upserted.success;
const record = await org.sobject("Account").retrieve(created.id);
seen.record = { Name: record.Name, Phone: record.Phone, Site: record.Site, AnnualRevenue: record.AnnualRevenue };

const many = Array.from({ length: 450 }, (_, n) => ({ Name: `Many ${n}`, Erp_Key__c: `M-${n}` }));
const collected = await org.sobject("Account").create(many, { allowRecursive: true });
seen.collected = collected.filter((each) => each.success).length;

const paged = await org.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Many %' ORDER BY Name", {
  autoFetch: true,
  maxFetch: 10000,
  headers: { "Sforce-Query-Options": "batchSize=200" },
});
seen.paged = { total: paged.totalSize, fetched: paged.records.length, distinct: new Set(paged.records.map((each) => each.Id)).size };
const first = await org.query("SELECT Id FROM Account", { headers: { "Sforce-Query-Options": "batchSize=200" } });
seen.firstPage = { done: first.done, records: first.records.length };
const second = await org.queryMore(first.nextRecordsUrl);
seen.secondPage = { records: second.records.length };

const parents = await org.query("SELECT Name, Owner.Name, (SELECT LastName FROM Contacts) FROM Account WHERE Erp_Key__c = 'J-1'");
seen.parents = { owner: parents.records[0].Owner.Name, contacts: parents.records[0].Contacts };

const failed = await org.query("SELECT Nope__c FROM Account").catch((error) => error);
seen.refused = { code: failed.errorCode, message: failed.message };

const loaded = await org.bulk2.loadAndWaitForResults({
  object: "Account",
  operation: "upsert",
  externalIdFieldName: "Erp_Key__c",
  input: [
    { Erp_Key__c: "M-1", Name: "Many one, \"changed\"" },
    { Erp_Key__c: "B-1", Name: "Bulk one" },
    { Erp_Key__c: "B-2", Name: "" },
  ],
  pollInterval: 20,
  pollTimeout: 20000,
});
seen.loaded = {
  successful: loaded.successfulResults.map((row) => [row.Erp_Key__c, String(row.sf__Created)]).sort(),
  failed: loaded.failedResults.map((row) => [row.Erp_Key__c, row.sf__Error]),
  unprocessed: loaded.unprocessedRecords.length,
};

const stream = await org.bulk2.query("SELECT Id, Name, AnnualRevenue, CreatedDate FROM Account WHERE Erp_Key__c != null", {
  pollInterval: 20,
  pollTimeout: 20000,
});
const rows = await stream.toArray();
const zurich = rows.find((row) => row.Name.startsWith("Zürich"));
seen.bulk = { rows: rows.length, name: zurich.Name, revenue: zurich.AnnualRevenue, created: zurich.CreatedDate };

// The states of an ingest job, one by one, and the three files of a job that was given up.
const job = org.bulk2.createJob({ object: "Account", operation: "insert" });
const states = [];
await job.open();
states.push((await job.check()).state);
await job.uploadData([{ Name: "Never loaded" }, { Name: "Nor this" }]);
await job.abort();
states.push((await job.check()).state);
seen.aborted = {
  states,
  successful: (await job.getSuccessfulResults()).length,
  failed: (await job.getFailedResults()).length,
  unprocessed: (await job.getUnprocessedRecords()).map((row) => row.Name).sort(),
};
const whole = org.bulk2.createJob({ object: "Account", operation: "insert" });
await whole.open();
await whole.uploadData([{ Name: "Loaded", Erp_Key__c: "S-1" }, { Name: "", Erp_Key__c: "S-2" }]);
await whole.close();
await whole.poll(20, 20000);
const ended = await whole.check();
seen.ended = { state: ended.state, processed: ended.numberRecordsProcessed, failed: ended.numberRecordsFailed };
const unfit = await org.bulk2.query("SELECT COUNT(Id) FROM Account", { pollInterval: 20 }).catch((error) => error);
seen.unfit = unfit.message;

const types = await org.query("SELECT Subject, TYPEOF What WHEN Account THEN Site END FROM Task");
seen.types = types.totalSize;

const destroyed = await org.sobject("Account").destroy(created.id);
seen.destroyed = destroyed.success;
const gone = await org.query(`SELECT Id FROM Account WHERE Id = '${created.id}'`);
const kept = await org.query(`SELECT Id, IsDeleted FROM Account WHERE Id = '${created.id}'`, { scanAll: true });
seen.deleted = { visible: gone.totalSize, all: kept.totalSize };

console.log(JSON.stringify(seen));
