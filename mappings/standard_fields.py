"""Fields that Salesforce itself brings on the objects of an order: one that cannot be seen there is hidden, not misspelled.

Source: Salesforce Object Reference. Custom fields are not here; those that were read before are known from the store.
"""

from __future__ import annotations

STANDARD: dict[str, frozenset[str]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "account": """
            accountnumber accountsource annualrevenue billingaddress billingcity billingcountry
            billinggeocodeaccuracy billinglatitude billinglongitude billingpostalcode billingstate billingstreet
            channelprogramlevelname channelprogramname cleanstatus createdbyid createddate dandbcompanyid description
            dunsnumber fax id industry iscustomerportal isdeleted ispartner jigsaw jigsawcompanyid lastactivitydate
            lastmodifiedbyid lastmodifieddate lastreferenceddate lastvieweddate masterrecordid naicscode naicsdesc
            name numberofemployees operatinghoursid ownerid ownership parentid phone photourl rating shippingaddress
            shippingcity shippingcountry shippinggeocodeaccuracy shippinglatitude shippinglongitude
            shippingpostalcode shippingstate shippingstreet sic sicdesc site systemmodstamp tickersymbol tradestyle
            type website yearstarted
        """,
        "order": """
            accountid activatedbyid activateddate billingaddress billingcity billingcountry billinggeocodeaccuracy
            billinglatitude billinglongitude billingpostalcode billingstate billingstreet billtocontactid
            companyauthorizedbyid companyauthorizeddate contractid createdbyid createddate customerauthorizedbyid
            customerauthorizeddate description effectivedate enddate grandtotalamount id isdeleted isreductionorder
            lastmodifiedbyid lastmodifieddate lastreferenceddate lastvieweddate name ordernumber orderreferencenumber
            originalorderid ownerid podate ponumber pricebook2id shippingaddress shippingcity shippingcountry
            shippinggeocodeaccuracy shippinglatitude shippinglongitude shippingpostalcode shippingstate
            shippingstreet shiptocontactid status statuscode systemmodstamp totalamount type
        """,
        "orderitem": """
            availablequantity createdbyid createddate description enddate id isdeleted lastmodifiedbyid
            lastmodifieddate listprice orderid orderitemnumber originalorderitemid pricebookentryid product2id
            quantity servicedate systemmodstamp totalprice type typecode unitprice
        """,
        "product2": """
            createdbyid createddate description displayurl externaldatasourceid externalid family id isactive
            isarchived isdeleted lastmodifiedbyid lastmodifieddate lastreferenceddate lastvieweddate name productcode
            quantityunitofmeasure stockkeepingunit systemmodstamp
        """,
        "user": """
            aboutme accountid address alias badgetext bannerphotourl callcenterid city communitynickname companyname
            contactid country createdbyid createddate defaultgroupnotificationfrequency delegatedapproverid
            department digestfrequency division email emailencodingkey emailpreferencesautobcc
            emailpreferencesautobccstayintouch emailpreferencesstayintouchreminder employeenumber extension fax
            federationidentifier firstname forecastenabled fullphotourl geocodeaccuracy id individualid isactive
            isextindicatorvisible isportalenabled isportalselfregistered isprofilephotoactive languagelocalekey
            lastlogindate lastmodifiedbyid lastmodifieddate lastname lastpasswordchangedate lastreferenceddate
            lastvieweddate latitude localesidkey longitude managerid mediumbannerphotourl mediumphotourl mobilephone
            name offlinepdatrialexpirationdate offlinetrialexpirationdate outofofficemessage phone portalrole
            postalcode profileid receivesadmininfoemails receivesinfoemails senderemail sendername signature
            smallbannerphotourl smallphotourl state stayintouchnote stayintouchsignature stayintouchsubject street
            systemmodstamp timezonesidkey title username userpermissionsavantgouser
            userpermissionscallcenterautologin userpermissionsinteractionuser userpermissionsknowledgeuser
            userpermissionsmarketinguser userpermissionsmobileuser userpermissionsofflineuser
            userpermissionssfcontentuser userpermissionssupportuser userpreferencesactivityreminderspopup
            userpreferencesapexpagesdevelopermode userpreferencescachediagnostics
            userpreferencescontentemailasandwhen userpreferencescontentnoemail userpreferencescreatelexappswtshown
            userpreferencesdisableallfeedsemail userpreferencesdisablebookmarkemail
            userpreferencesdisablechangecommentemail userpreferencesdisableendorsementemail
            userpreferencesdisablefilesharenotificationsforapi userpreferencesdisablefollowersemail
            userpreferencesdisablelatercommentemail userpreferencesdisablelikeemail
            userpreferencesdisablementionspostemail userpreferencesdisablemessageemail
            userpreferencesdisableprofilepostemail userpreferencesdisablesharepostemail
            userpreferencesdiscommentafterlikeemail userpreferencesdismentionscommentemail
            userpreferencesdisprofpostcommentemail userpreferencesenableautosubforfeeds
            userpreferenceseventreminderscheckboxdefault userpreferencesexcludemailappattachments
            userpreferencesfavoritesshowtopfavorites userpreferencesfavoriteswtshown
            userpreferencesglobalnavbarwtshown userpreferencesglobalnavgridmenuwtshown
            userpreferenceshascelebrationbadge userpreferenceshidebiggerphotocallout
            userpreferenceshidechatteronboardingsplash userpreferenceshidecsndesktoptask
            userpreferenceshidecsngetchattermobiletask userpreferenceshideenduseronboardingassistantmodal
            userpreferenceshidelightningmigrationmodal userpreferenceshides1browserui
            userpreferenceshidesecondchatteronboardingsplash userpreferenceshidesfxwelcomemat
            userpreferenceslightningexperiencepreferred userpreferencesnewlightningreportrunpageenabled
            userpreferencespathassistantcollapsed userpreferencespreviewcustomtheme userpreferencespreviewlightning
            userpreferencesrecordhomereservedwtshown userpreferencesrecordhomesectioncollapsewtshown
            userpreferencesremindersoundoff userpreferencesshowcitytoexternalusers
            userpreferencesshowcitytoguestusers userpreferencesshowcountrytoexternalusers
            userpreferencesshowcountrytoguestusers userpreferencesshowemailtoexternalusers
            userpreferencesshowemailtoguestusers userpreferencesshowfaxtoexternalusers
            userpreferencesshowfaxtoguestusers userpreferencesshowmanagertoexternalusers
            userpreferencesshowmanagertoguestusers userpreferencesshowmobilephonetoexternalusers
            userpreferencesshowmobilephonetoguestusers userpreferencesshowpostalcodetoexternalusers
            userpreferencesshowpostalcodetoguestusers userpreferencesshowprofilepictoguestusers
            userpreferencesshowstatetoexternalusers userpreferencesshowstatetoguestusers
            userpreferencesshowstreetaddresstoexternalusers userpreferencesshowstreetaddresstoguestusers
            userpreferencesshowtitletoexternalusers userpreferencesshowtitletoguestusers
            userpreferencesshowworkphonetoexternalusers userpreferencesshowworkphonetoguestusers
            userpreferencessortfeedbycomment userpreferencessuppresseventsfxreminders
            userpreferencessuppresstasksfxreminders userpreferencestaskreminderscheckboxdefault
            userpreferencesuserdebugmodepref userroleid usertype
        """,
        "task": """
            accountid activitydate calldisposition calldurationinseconds callobject calltype completeddatetime
            createdbyid createddate description id isarchived isclosed isdeleted ishighpriority isrecurrence
            isreminderset lastmodifiedbyid lastmodifieddate ownerid priority recurrenceactivityid reminderdatetime
            status subject systemmodstamp tasksubtype type whatid whoid
        """,
    }.items()
}
"""Object to the names of its fields, all in small letters."""


def is_standard(object_name: str, field: str) -> bool:
    """Whether every org has this field, or may have it with a feature of Salesforce switched on."""
    return field.lower() in STANDARD.get(object_name.lower(), frozenset())
