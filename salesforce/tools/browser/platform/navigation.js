/** Stands in for lightning/navigation: addresses as Lightning Experience has them; `window.org.visited` remembers. */
const GenerateUrl = Symbol("GenerateUrl");
const Navigate = Symbol("Navigate");

const address = ({ attributes }) => `/lightning/r/${attributes.objectApiName}/${attributes.recordId}/view`;

export const NavigationMixin = (Base) =>
    class extends Base {
        [GenerateUrl](page) {
            return Promise.resolve(address(page));
        }

        [Navigate](page) {
            window.org.visited.push(address(page));
        }
    };
NavigationMixin.GenerateUrl = GenerateUrl;
NavigationMixin.Navigate = Navigate;
