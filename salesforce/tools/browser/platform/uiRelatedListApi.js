/**
 * Stands in for lightning/uiRelatedListApi in a browser without an org: the wire adapter contract of the platform,
 * records from `window.org.relatedLists`, and only the fields that were asked for and may be seen.
 */
export class getRelatedListRecords {
    constructor(callback) {
        this.callback = callback;
        this.callback({ data: undefined, error: undefined });
    }

    connect() {
        this.emit();
    }

    disconnect() {}

    update(config) {
        this.config = config;
        this.emit();
    }

    emit() {
        if (!this.config?.parentRecordId) return;
        const reply = window.org.relatedList(this.config);
        if (reply) this.callback(reply); // nothing: still loading
    }
}
