"""The directory as one who answers judged queries (judging.py): SearchDirectory on the service's call socket."""
import judging
import support

SERVICE = "fokus.directory.v1.DirectoryService/"
TYPES = {
    "ENTRY_TYPE_ORGANISATION": "organisation",
    "ENTRY_TYPE_CARE_AREA": "care_area",
    "ENTRY_TYPE_PATIENT_RIGHT": "right",
    "ENTRY_TYPE_TERM": "term",
    "ENTRY_TYPE_HELPLINE": "helpline",
}


class Directory:
    name = "ours"

    def __init__(self, system):
        self.caller = support.Caller(system.services["directory"]["call"])
        self.proto = support.messages("fokus.directory.v1.search")
        self.entry_types = support.messages("fokus.directory.v1.suggestion").EntryType

    def entry(self, hit):
        kind = self.entry_types.Name(hit.entry_type)
        return f"{TYPES.get(kind, kind)}:{hit.key}"

    def search(self, text, **more):
        request = self.proto.SearchDirectoryRequest(query=text, limit=judging.DEPTH, **more)
        return self.caller.call(SERVICE + "SearchDirectory", request, self.proto.SearchDirectoryResponse)

    def complete(self, text):
        request = self.proto.CompleteSearchRequest(query=text, limit=judging.DEPTH)
        return self.caller.call(SERVICE + "CompleteSearch", request, self.proto.CompleteSearchResponse)

    def answer(self, kind, text):
        found = self.search(text)
        if kind == judging.CRISIS:
            return ["helpline:" + line.slug for line in found.crisis.helplines]
        return [self.entry(hit) for hit in found.hits]

    def answer_unfinished(self, kind, text):
        return [self.entry(entry) for entry in self.complete(text).entries]
