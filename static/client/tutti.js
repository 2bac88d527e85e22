// Generated from static/client/src by `npm run client`: do not edit.
var ae=new TextEncoder,Te=new TextDecoder,A=r=>JSON.stringify(r).replace(/\\(?:\\|ud[89a-f][0-9a-f]{2})/g,e=>e==="\\\\"?e:"\\ufffd"),M=r=>ae.encode(r).length;function ce(r,e){
let t=ae.encode(r),s=[],n=t.length;for(;n>127;n>>>=7)s.push(n&127|128);s.push(n);let i=new Uint8Array(s.length+t.length+e.length);return i.set(s),i.set(t,s.length),
i.set(e,s.length+t.length),i}function _(r,e){let t=0;for(let s=0;;s+=7){let n=r[e++];if(t|=(n&127)<<s,!(n&128))break}return[Te.decode(r.subarray(e,e+t)),e+t]}var L=r=>Uint8Array.
from(atob(r),e=>e.charCodeAt(0)),he=()=>Array.from(crypto.getRandomValues(new Uint8Array(12)),r=>r.toString(16).padStart(2,"0")).join("");var l=class extends Error{name="TuttiError";code;temporary;retryAfterMs;room;constructor(e,t,{temporary:s=!1,retryAfterMs:n,room:i}={}){super(t),this.code=e,this.
temporary=s,this.retryAfterMs=n,this.room=i}},k=({code:r,message:e,temporary:t,retryAfterMs:s,room:n})=>new l(r,e,{temporary:t,retryAfterMs:s,room:n}),P=r=>r instanceof
Error?r.message:String(r);var de=new Map([[1001,"the server restarts"],[1002,"a frame was against the WebSocket protocol"],[1006,"the connection was lost"],[1007,"a text was not UTF-8"],
[1009,"a message was too large"],[1011,"the server had a fault"],[1013,"the server asks to try later"],[4401,"the token is not valid"],[4403,"the token does not\
 allow this"],[4404,"the room was deleted"],[4413,"something was too large"],[4422,"a message could not be read"],[4500,"this client read its messages too slowl\
y"],[4501,"the heartbeat was lost"],[4502,"this client sent too much"],[4504,"the token expired"]]),B=r=>r>=4400&&r<4500,ue=new Set(["auth","chat","direct","edi\
t","presence","room","server","token","typing","user"]),le=new Set(["saved","done","edit.rejected","error"]);var Ee=5e3,Re=100,F=class{binaryType="arraybuffer";bufferedAmount=0;onmessage=null;onclose=null;onerror=null;#t;#i;#e=new AbortController;#s="";#n=[];#r=0;#a=!1;#o=!1;#c=[];#d=null;constructor(e,t){
this.#t=e,this.#i=t,this.#f().catch(()=>this.#u(1006,""))}send(e){if(Me(e))return void this.#v(e);typeof e=="string"&&e.includes('"typing.stopped"')&&this.#l(),
this.bufferedAmount+=N(e),this.#n.push(e),this.#g()}close(e){if(this.onmessage=this.onclose=null,this.#o=!0,this.#l(),e!==1e3||!this.#s)return this.#e.abort();setTimeout(
()=>this.#e.abort(),Ee),this.#g()}async#f(){let e=await this.#y("GET","");if(!e.ok||!e.body){let{error:n}=await e.json().catch(()=>({}));return this.#u(e.status===
401?4401:1006,n?.message??"")}let t=e.body.pipeThrough(new TextDecoderStream).getReader(),s="";for(let{value:n,done:i}=await t.read();!i;{value:n,done:i}=await t.
read()){let a=(s+n).split(`

`);s=a.pop(),a.forEach(o=>this.#p(o))}this.#u(1006,"")}#p(e){let t="",s=[];for(let i of e.split(`
`))i.startsWith("event: ")?t=i.slice(7):i.startsWith("data: ")&&s.push(i.slice(6));let n=s.join(`
`);if(t==="close"){let{code:i,reason:a}=JSON.parse(n);return this.#u(i,a)}t==="welcome"&&(this.#s=JSON.parse(n).clientId),n&&this.onmessage?.({data:t==="binary"?
L(n).buffer:n}),this.#g()}async#g(){if(!(this.#a||!this.#s)){this.#a=!0;try{for(;this.#n.length>0&&!this.#e.signal.aborted;)await this.#m(this.#h(),(this.#r+=1)%
Re);this.#o&&await this.#y("DELETE",`/${this.#s}`).finally(()=>this.#e.abort())}catch{this.#u(1006,"")}this.#a=!1}}async#v(e){if(this.#c.push(e)>256&&this.#c.shift(),
!(this.#d||!this.#s)){for(;this.#c.length>0&&!this.#e.signal.aborted;){this.#d=new AbortController;let t=this.#c.splice(0);await this.#y("POST",`/${this.#s}`,t.
length===1?t[0]:`[${t.join(",")}]`,this.#d.signal).catch(()=>{})}this.#d=null}}#l(){this.#c=[],this.#d?.abort()}async#m(e,t){let{status:s}=await this.#y("POST",
`/${this.#s}?key=${t}`,e);if(s===503||s===429)return await new Promise(n=>setTimeout(n,1e3)),this.#e.signal.aborted?void 0:this.#m(e,t);s>=400?this.#u(s===401?4401:
1006,""):this.bufferedAmount-=N(e)}#h(){let e=this.#n.shift(),t=[e],s=N(e);for(;fe(e)&&t.length<256&&fe(this.#n[0])&&(s+=N(this.#n[0])+1,!(s+2>1048576));)t.push(
this.#n.shift());return t.length===1?e:(this.bufferedAmount+=t.length+1,`[${t.join(",")}]`)}#y(e,t,s,n=this.#e.signal){let i={authorization:`Bearer ${this.#i()}`};
return s!==void 0&&(i["content-type"]=typeof s=="string"?"application/json":"application/octet-stream"),fetch(this.#t+t,{method:e,headers:i,body:s,signal:n,cache:"\
no-store"})}#u(e,t){this.#e.abort(),this.#l(),this.onclose?.({code:e,reason:t}),this.onclose=null}},N=r=>typeof r=="string"?M(r):r.length,Me=r=>typeof r=="strin\
g"&&r.startsWith('{"type":"typing.'),fe=r=>typeof r=="string"&&r.startsWith("{");var f=class{#t;get isSet(){return this.#t!==void 0}set(e,t){this.clear(),this.#t=setTimeout(()=>{this.#t=void 0,e()},t)}clear(){clearTimeout(this.#t),this.#t=void 0}};var ke=500,Pe=2e4,Oe=1e4,X=15e3,xe=25e3,_e=1e4,je=3e3,De=800,qe=2,pe=2e3,Ie=6e5,H=class{state={state:"idle"};clientId;token;#t;#i;#e;#s;#n;#r="";#a=!1;#o=0;#c=0;#d=!1;#f="\
websocket";#p=!1;#g=new f;#v=pe;#l;#m=0;#h=0;#y=xe;#u=new f;#b=[];#w=0;constructor(e,t,s){this.#t=e,this.#i=t,this.#e=s}get isOnline(){return this.state.state===
"online"}get bufferedBytes(){return this.#w+(this.#n?.bufferedAmount??0)}open(){["idle","closed"].includes(this.state.state)&&(globalThis.addEventListener?.("on\
line",this.#k),globalThis.addEventListener?.("offline",this.#C),globalThis.document?.addEventListener("visibilitychange",this.#k),this.#o=0,this.#a=!1,this.#S())}end(e,t){
this.state.state!=="closed"&&(this.#_(),this.#x(1e3),globalThis.removeEventListener?.("online",this.#k),globalThis.removeEventListener?.("offline",this.#C),globalThis.
document?.removeEventListener("visibilitychange",this.#k),this.#E({state:"closed",code:e,reason:t}))}write(e,t=M(e)){this.#b.length===0&&queueMicrotask(()=>this.#_()),
this.#b.push({text:e,bytes:t}),this.#w+=t+1}writeBytes(e){this.#_(),this.#n?.send(e),this.#e.frame({direction:"sent",text:"",bytes:e.length})}authenticate(e){this.
token=e,this.write(A({type:"authenticate",token:e}))}async currentToken(){return this.token??this.#O()}async#S(){let e=this.#s={};this.#r="",this.#u.set(()=>this.#R(
0,`no connection within ${X/1e3} s`),X),this.#E({state:"connecting"});let t;try{t=await this.#O()}catch(i){e===this.#s&&this.#R(0,`no token: ${P(i)}`);return}if(e!==
this.#s)return;if(!t)return this.end(4401,"there is no token");this.token=t;let s=this.#c>=qe&&!this.#d;this.#f=s?"stream":"websocket",this.#p=!1;let n;try{n=s?
new F(this.#A,()=>this.token):this.#T()}catch(i){return this.end(0,P(i))}n.binaryType="arraybuffer",n.onmessage=({data:i})=>{e===this.#s&&this.#B(i,e)},n.onclose=
({code:i,reason:a})=>{e===this.#s&&this.#U(i,a)},n.onerror=()=>{},this.#n=n}#T(){return new this.#i.WebSocket(this.#t,["tutti.v1",`auth.${this.token}`])}get#A(){
let e=new URL("api/v1/events",this.#t);return e.protocol=e.protocol.replace("ws","http"),e.href}#P(e){this.#p||!this.#n||![0,1006].includes(e)||(this.#d=this.#f===
"stream",this.#f==="websocket"&&(this.#c+=1))}#D(){let e=this.#v*(.5+Math.random()/2);this.#v=Math.min(2*this.#v,Ie),this.#g.set(()=>{let t=this.#l=this.#T(),s=setTimeout(
()=>t.close(),X);t.onerror=()=>{},t.onclose=()=>{clearTimeout(s),t===this.#l&&this.#D()},t.onmessage=()=>{t===this.#l&&(this.#q(),this.#c=0,this.#x(4501),this.#E(
{state:"offline",code:0,reason:"WebSockets work again",retryInMs:0}),this.#S())}},e)}#q(){let e=this.#l;this.#l=void 0,this.#g.clear(),e?.close(1e3)}async#O(){let{
token:e}=this.#i;return typeof e=="function"?e():e}#U(e,t){let s=t||this.#r||de.get(e)||`close code ${e}`,n=e===4401&&typeof this.#i.token=="function"&&!this.#a;
if(B(e)&&!n)return this.end(e,s);this.#a||=n,this.#R(e,s)}#R(e,t){this.#P(e),this.isOnline&&Date.now()-this.#m>=Oe&&(this.#o=0);let s=Math.round(Math.random()*Math.
min(Pe,ke*2**this.#o++));this.#x(4501),this.#u.set(()=>this.#S(),s),this.#E({state:"offline",code:e,reason:t,retryInMs:s})}#x(e){let t=this.#n;this.#s=this.#n=void 0,
this.#u.clear(),this.#q(),this.#b=[],this.#w=0,t?.close(e)}#E(e){this.state=e,this.#e.state(e)}#_(){let e=this.#b;this.#b=[],this.#w=0;let t=[],s=1,n=()=>{t.length>
0&&this.#L(t.length===1?t[0]:`[${t.join(",")}]`,s),t=[],s=1};for(let{text:i,bytes:a}of e)(t.length===256||s+a+1>1048576)&&n(),t.push(i),s+=a+1;n()}#L(e,t){this.#n?.
send(e),e.includes('"authenticate"')||this.#e.frame({direction:"sent",text:e,bytes:t})}#B(e,t){if(this.#h=Date.now(),this.#p=!0,typeof e!="string"){let s=new Uint8Array(
e);return this.#e.frame({direction:"received",text:"",bytes:s.length}),this.#e.bytes(s)}this.#e.frame({direction:"received",text:e,bytes:e.length});for(let s of[
JSON.parse(e)].flat())t===this.#s&&this.#N(s)}#N(e){switch(e.type){case"welcome":this.clientId=e.clientId,this.#y=e.heartbeatMs;return;case"auth.success":return this.#F(
e);case"auth.error":this.#r=e.message,this.isOnline&&this.#e.error(new l("unauthorized",e.message));return;case"token.expiring":this.#e.message(e),typeof this.#i.
token=="function"&&this.#W();return;case"pong":return this.#j();default:this.#e.message(e)}}#F(e){this.#a=!1,this.isOnline||(this.#m=Date.now(),this.#f==="strea\
m"?this.#D():(this.#c=0,this.#v=pe),this.#j(),this.#E({state:"online",transport:this.#f})),this.isOnline&&this.#e.online(e)}async#W(){let e=this.#s;try{let t=await this.#O();
t&&e===this.#s&&this.authenticate(t)}catch(t){this.#e.error(new l("unauthorized",`no token: ${P(t)}`,{temporary:!0}))}}#j(){let e=Date.now()-this.#h;e>=this.#y?
this.#M(_e):this.#u.set(()=>this.#j(),this.#y-e)}#M(e,t=!1){this.write('{"type":"ping"}'),this.#I(e,e,t)}#I(e,t,s){let n=Date.now();this.#u.set(()=>{let i=Date.
now(),a=i-this.#h;i-n>2*e&&!s?this.#M(e,!0):a<e?this.#I(e,e-a,s):this.#R(4501,"the server does not answer")},t)}#k=()=>{globalThis.document?.visibilityState!=="\
hidden"&&(this.state.state==="offline"?this.#S():this.isOnline&&this.#M(je))};#C=()=>{this.isOnline&&this.#M(De)}};var d,S=class{#t=new Map;static{d=(e,t,s)=>{let n=[...e.#t.get(t)??[]];for(let i of n)try{i(s)}catch(a){queueMicrotask(()=>{throw a})}return n.length}}on(e,t){let s=this.#t.
get(e)??new Set;return this.#t.set(e,s.add(t)),()=>this.off(e,t)}off(e,t){this.#t.get(e)?.delete(t)}};var $=class{#t;#i;#e=[];#s=new Map;#n=0;#r=64;constructor(e,t){this.#t=e,this.#i=t}get isEmpty(){return this.#e.length===0}add(e){if(this.#e.length+this.#s.size>=
this.#t||this.#n+e.bytes>this.#i)return e.reject(new l("queue_full","too many messages wait for their acknowledgement",{temporary:!0}));this.#n+=e.bytes,this.#e.
push(e)}next(){if(this.#s.size>=this.#r)return;let e=this.#e.findIndex(({room:s})=>!s||s.isJoined),[t]=e<0?[]:this.#e.splice(e,1);return t&&this.#s.set(t.id,t),
t}answer(e){let t=this.#s.get(e.requestId??"");return t?(this.#o(t),this.#s.delete(t.id),this.#r=Math.min(64,this.#r+1),e.type==="error"?t.reject(k(e)):t.resolve(
e),!0):!1}putBack(e){let t=this.#s.get(e);return t?.isRepeatable?(this.#s.delete(e),this.#a([t]),this.#r=1,!0):!1}lose(){let e=[...this.#s.values()];this.#s.clear(),
this.#r=64,this.#a(e.filter(({isRepeatable:t})=>t));for(let t of e)t.isRepeatable||(this.#o(t),t.reject(new l("connection_lost","the connection was lost before \
the answer",{temporary:!0})))}reject(e,t){let s=this.#e.filter(e);this.#e=this.#e.filter(n=>!e(n));for(let n of s)this.#o(n),n.reject(t)}#a(e){this.#e=[...e,...this.#e].
sort((t,s)=>Number(t.id)-Number(s.id))}#o(e){this.#n-=e.bytes}};var q=class{#t;#i;constructor(e,t){this.#t=e,this.#i=t}async document({at:e,format:t,root:s}){let n=t==="yjs"?"bytes":t==="text"||t==="xml"?"text":void 0,{body:i,
headers:a}=await this.#e("document",{query:{at:E(e),format:t,root:s},as:n});return{seq:Number(a.get("tutti-seq")),content:i}}async blame({at:e,root:t}={}){return(await this.#e(
"blame",{query:{at:E(e),root:t}})).body}async diff({from:e,to:t,root:s}){return(await this.#e("diff",{query:{from:E(e),to:E(t),root:s}})).body}async unifiedDiff({
from:e,to:t,root:s}){let n={from:E(e),to:E(t),root:s,format:"text"};return(await this.#e("diff",{query:n,as:"text"})).body}async activity(e={}){return(await this.#e(
"activity",{query:e})).body}async versions({automatic:e}={}){return(await this.#e("versions",{query:{automatic:e}})).body.versions}async replay({root:e}={}){return(await this.#e(
"replay",{query:{root:e}})).body}async nameVersion(e){return(await this.#e("versions",{method:"POST",body:e})).body}async changeVersion({seq:e,label:t},s){return(await this.#e(
"versions",{method:"PATCH",query:{seq:e,label:t},body:s})).body}async removeVersion({seq:e,label:t}){await this.#e("versions",{method:"DELETE",query:{seq:e,label:t}})}async restore(e,t={}){
return(await this.#e("restore",{method:"POST",body:{...t,to:e}})).body}async copy(e,{at:t,...s}={}){return(await this.#e("copy",{method:"POST",body:{...s,to:e,at:E(
t)}})).body}async erase(e,{dryRun:t=!0}={}){return(await this.#e("erase",{method:"POST",body:{...e,dryRun:t}})).body}async erasure(){return(await this.#e("erase",
{})).body.erasure}async cancelErasure(){return(await this.#e("erase",{method:"DELETE"})).body.cancelled}#e(e,t){return this.#i(`${Y(this.#t)}/${e}`,t)}},Y=r=>`r\
ooms/${r.split("/").map(encodeURIComponent).join("/")}`,E=r=>r instanceof Date?r.toISOString():r;var Ce=100,I=class{users=new Map;count=0;isCapped=!1;#t;#i;#e;#s=!1;#n=new f;constructor(e,t){this.#t=e,this.#i=t}set(e){this.#e=e,this.announce()}announce(){this.#s=
this.#e!==void 0,this.#n.isSet||this.#r()}#r(){!this.#s||!this.#t.isJoined||(this.#s=!this.#i({type:"presence.update",state:this.#e}),this.#n.set(()=>this.#r(),
Ce))}replace({count:e,users:t=[],capped:s=!1}){let n=this.users,i=t,a=new Map(i.map(o=>[o.user,o]));return this.count=e,this.isCapped=s,this.users=a,{count:e,joins:i.
filter(({user:o})=>!n.has(o)),updates:i.filter(o=>n.has(o.user)&&JSON.stringify(n.get(o.user))!==JSON.stringify(o)),leaves:[...n.values()].filter(({user:o})=>!a.
has(o))}}change({count:e,joins:t=[],updates:s=[],leaves:n=[],capped:i=!1}){if(i)return this.replace({count:e,capped:i});let a=new Map(this.users),[o,c]=[t,s];for(let u of[
...o,...c])a.set(u.user,u);let m=n.map(u=>a.get(u)).filter(u=>u!==void 0);for(let u of n)a.delete(u);return this.count=e,this.isCapped=!1,this.users=a,{count:e,
joins:o,updates:c,leaves:m}}};var Ue=3e3,Le=4e3,J,z,G,Z,ee,te,C=class extends S{name;presence;past;typists=new Map;isJoined=!1;access=null;seq;#t;#i;#e="";#s=null;#n=new f;#r=[];#a=new f;#o=0;static{
J=e=>e.#p(),z=(e,t)=>e.#y(t),G=(e,t)=>e.#e===t,Z=(e,t,s)=>{d(e,"bytes",{user:t,bytes:s})},ee=e=>e.#g(),te=(e,t)=>e.#h(t)}constructor(e,t,s){super(),this.name=e,
this.seq=s.since??null,this.#t=t,this.#i=s.edits,this.presence=new I(this,n=>this.#f(n)),this.past=new q(e,t.rest)}joined(){return this.isJoined?Promise.resolve(
this):this.#s?Promise.reject(this.#s):new Promise((e,t)=>this.#r.push({resolve:e,reject:t}))}send(e,{payload:t,key:s}={}){return this.typing(!1),this.#c({type:"\
chat.message",text:e,payload:t,key:s}).then(ge)}publish(e,t,{key:s}={}){return this.#c({type:e,payload:t,key:s}).then(ge)}signal(e,t){return this.#f({type:e,payload:t,
ephemeral:!0})}signalBytes(e){let t=ce(this.name,e);if(t.length>65536)throw new l("too_large",`a binary signal has at most ${65536} bytes with its room's name`);
return this.isJoined&&this.#t.castBytes(t)}typing(e=!0){if(e){if(this.#a.set(()=>this.typing(!1),Le),Date.now()-this.#o<Ue)return;this.#f({type:"typing.started"})&&
(this.#o=Date.now())}else this.#a.clear(),this.#o>0&&this.#f({type:"typing.stopped"}),this.#o=0}push(e,t,s){return this.#d({type:"edit.push",version:e,steps:t,clientId:s}).
then(ve)}stepsSince(e){return this.#d({type:"edit.push",version:e,steps:[],clientId:0}).then(t=>ve(t))}async history(e={}){return(await this.#t.rest(`${Y(this.name)}\
/history`,{query:e})).body}async comments(e={}){return(await this.#t.rest(`${Y(this.name)}/comments`,{query:e})).body}leave(){this.typing(!1),this.#e&&this.#t.write(
{type:"room.leave",room:this.name}),this.#l(new l("left","the room was left",{room:this.name}))}#c(e){return this.#d({...e,key:e.key??this.#t.newKey()})}#d(e){return this.#s?
Promise.reject(this.#s):this.#t.request({...e,room:this.name},this)}#f(e){return this.isJoined&&this.#t.cast({...e,room:this.name})}#p(){this.#e||(this.#n.clear(),
this.#s=null,this.#e=this.#t.newId(),this.#t.write({type:"room.join",room:this.name,since:this.seq??void 0,edits:this.#i,requestId:this.#e}))}#g(){this.isJoined=
!1,this.#e="",this.#n.clear(),this.#v()}#v(){this.#a.clear(),this.#o=0;for(let[e,t]of this.typists)d(this,"typing",{user:e,name:t,typing:!1});this.typists.clear()}#l(e){
this.#g(),this.#m(e),this.#t.forget(this)}#m(e){this.#s=e,this.#h(e),this.#t.abandon(this,e)}#h(e){for(let{reject:t}of this.#r.splice(0))t(e)}#y(e){switch(e.type){case"\
room.joined":return this.#u(e);case"room.access":this.access=e.access,d(this,"access",{access:e.access});return;case"room.evicted":this.#l(new l("evicted",e.reason??
"the server closed the room to this client",{room:this.name})),d(this,"evicted",{reason:e.reason});return;case"presence.state":d(this,"presence",this.presence.replace(
e));return;case"presence.diff":d(this,"presence",this.presence.change(e));return;case"user.typing":return this.#b(e);case"error":return this.#w(e);case"room.lef\
t":return;default:this.#S(e)}}#u(e){if(e.requestId!==this.#e)return;let{seq:t,access:s,recovered:n,members:i}=e,a=this.seq;this.isJoined=!0,this.access=s,(a===null||
!n)&&(this.seq=t);for(let{resolve:o}of this.#r.splice(0))o(this);d(this,"joined",{seq:t,access:s,recovered:n,members:i}),a!==null&&!n&&d(this,"gap",{since:a,seq:t}),
this.presence.announce(),this.#t.pump()}#b({user:e,name:t,typing:s}){s?this.typists.set(e,t):this.typists.delete(e),d(this,"typing",{user:e,name:t,typing:s})}#w(e){
let t=k(e);if(e.requestId!==void 0&&e.requestId===this.#e){if(this.#e="",t.temporary)return this.#n.set(()=>this.#p(),t.retryAfterMs??1e3);this.#m(t)}d(this,"er\
ror",t)===0&&this.#t.report(t)}#S(e){if(e.seq!==void 0){if(this.seq===null||e.seq<=this.seq)return;this.seq=e.seq}if(e.type==="chat.message")d(this,"message",e);else if(e.
type==="edit.steps")d(this,"steps",e);else if(e.type==="edit")d(this,"edit",{...e,update:L(e.update??"")});else if(e.type==="room.erased"){let{seq:t=0,user:s,name:n,
timestamp:i,payload:a}=e;d(this,"erased",{seq:t,user:s,name:n,timestamp:i,said:a?.said!==!1})}else ue.has(e.type.split(".")[0])||(d(this,"event",e),d(this,e.type,
e))}},ge=r=>{let{seq:e,timestamp:t}=r;return{seq:e,timestamp:t}},ve=r=>{if(r.type==="saved")return{accepted:!0,seq:r.seq,version:r.version,timestamp:r.timestamp};
let{version:e,since:t,steps:s,clientIds:n}=r;return{accepted:!1,version:e,since:t,steps:s,clientIds:n}};var Be=50,V=class extends S{userId;userName;#t;#i;#e;#s;#n=new Map;#r=1;#a=he();#o=new f;#c=new f;#d=[];constructor(e,t){super();let{queueMax:s=1e3,queueBytesMax:n=4*
1024*1024,bufferedBytesMax:i=256*1024}=t,a=t.WebSocket??globalThis.WebSocket;if(!a)throw new TypeError("there is no WebSocket here: pass one, such as that of th\
e npm package ws");this.#t={...t,WebSocket:a,bufferedBytesMax:i};let o=new URL(e,globalThis.location?.href);o.protocol=o.protocol.replace("http","ws"),this.#i=new URL(
"api/v1/",o),this.#i.protocol=o.protocol.replace("ws","http"),this.#s=new $(s,n),this.#e=new H(o.href,this.#t,{state:c=>this.#y(c),online:c=>this.#u(c),message:c=>this.#b(
c),bytes:c=>this.#S(c),frame:c=>{d(this,"frame",c)},error:c=>this.#T(c)})}getState(){return this.#e.state}get clientId(){return this.#e.clientId}get bufferedAmount(){
return this.#e.bufferedBytes}open(){this.#e.open()}close(){this.#e.end(1e3,"closed by the app")}room(e,t={}){let s=this.#n.get(e);if(s)return s;let n=new C(e,this.#f,
t);return this.#n.set(e,n),this.#e.isOnline&&J(n),n}direct(e,t){return this.#l({type:"direct.message",to:e,payload:t},void 0,!1).then(s=>({sockets:s.type==="don\
e"?s.sockets:0}))}setToken(e){this.#t.token=e,this.#e.isOnline&&this.#e.authenticate(e)}ready(){return this.getState().state==="closed"?Promise.reject(this.#A()):
new Promise((e,t)=>{this.#d.push({resolve:e,reject:t}),this.#h()})}#f={write:e=>this.#e.write(A(e)),cast:e=>this.#g(e),castBytes:e=>this.#v(e),request:(e,t)=>this.#l(
e,t),newId:()=>this.#m(),newKey:()=>`${this.#a}-${this.#m()}`,pump:()=>this.#h(),abandon:(e,t)=>{this.#s.reject(s=>s.room===e,t),this.#h()},forget:e=>{this.#n.get(
e.name)===e&&this.#n.delete(e.name)},report:e=>this.#T(e),rest:(e,t)=>this.#P(e,t)};#p(){return this.#e.isOnline&&this.#e.bufferedBytes<this.#t.bufferedBytesMax}#g(e){
let t=this.#p();return t&&this.#e.write(A(e)),t}#v(e){let t=this.#p();return t&&this.#e.writeBytes(e),t}async#l(e,t,s=!0){if(this.getState().state==="closed")throw this.#A();
let n=this.#m(),i=A({...e,requestId:n}),a=M(i);if(a>1048576)throw new l("too_large",`a message has at most ${1048576} bytes`,{room:t?.name});return new Promise(
(o,c)=>{this.#s.add({id:n,text:i,bytes:a,room:t,isRepeatable:s,resolve:o,reject:c}),this.#h()})}#m(){return String(this.#r++)}#h(){for(;!this.#o.isSet&&this.#p();){
let t=this.#s.next();if(!t)break;this.#e.write(t.text,t.bytes)}if(!this.#e.isOnline)return;if(this.#s.isEmpty&&this.#p())for(let{resolve:t}of this.#d.splice(0))
t();else!this.#p()&&!this.#c.isSet&&this.#c.set(()=>this.#h(),Be)}#y(e){if(e.state==="offline"||e.state==="closed"){this.#o.clear(),this.#c.clear(),this.#s.lose();
for(let t of this.#n.values())ee(t)}if(e.state==="closed"){this.#s.reject(()=>!0,this.#A());for(let t of this.#n.values())te(t,this.#A());for(let{reject:t}of this.#d.
splice(0))t(this.#A())}d(this,"state",e)}#u({userId:e,name:t}){this.userId=e,this.userName=t;for(let s of this.#n.values())J(s);this.#h()}#b(e){let t=this.#n.get(
e.room??"")??this.#w(e);if(Ne(e)){if(e.type==="error"&&e.temporary&&this.#s.putBack(e.requestId??""))return this.#o.set(()=>this.#h(),e.retryAfterMs??1e3);if(this.#s.
answer(e))return this.#h()}e.type==="error"&&e.code==="overtaken"||(e.type==="direct.message"?d(this,"direct",e):e.type==="token.expiring"?d(this,"expiring",{expiresAt:e.
expiresAt}):e.type==="server.draining"?d(this,"draining",{}):t?z(t,e):e.type==="error"&&this.#T(k(e)))}#w(e){if(e.type!=="error"||!e.requestId)return;let{requestId:t}=e;
return[...this.#n.values()].find(s=>G(s,t))}#S(e){let[t,s]=_(e,0),[n,i]=_(e,s),a=this.#n.get(t);a&&Z(a,n,e.subarray(i))}#T(e){d(this,"error",e)===0&&console.warn(
`tutti: ${e.message} (${e.code})`)}#A(){return new l("closed",this.getState().reason??"the connection is closed")}async#P(e,{method:t="GET",query:s={},body:n,as:i}){
let a=new URL(e,this.#i);for(let[p,h]of Object.entries(s))h!==void 0&&a.searchParams.set(p,String(h));let o=await this.#e.currentToken();if(!o)throw new l("unau\
thorized","there is no token");let c={authorization:`Bearer ${o}`};n&&(c["content-type"]="application/json");let m=p=>{throw new l("connection_lost",`the server\
 cannot be reached: ${P(p)}`,{temporary:!0})},u=await fetch(a,{method:t,headers:c,body:n&&A(n)}).catch(m);if(u.ok){let h=await(i==="bytes"?u.arrayBuffer().then(
R=>new Uint8Array(R)):u.text()).catch(m);return{body:i?h:h&&JSON.parse(h),headers:u.headers}}let b=await u.json().catch(()=>({})),{code:y="unknown",message:v=`t\
he server answered ${u.status}`}=b.error??{},w=Number(u.headers.get("retry-after"))*1e3||void 0;throw new l(y,v,{temporary:u.status===503||u.status===429,retryAfterMs:w})}},
Ne=r=>le.has(r.type)&&"requestId"in r&&r.requestId!==void 0;function Fe(r,e){let t=new V(r,e);return t.open(),t}var Se=3e3,We=2e4,se=5e3,be=800;function He({connection:r,isSaved:e,unsavedSinceMs:t,access:s},n=Date.now()){let i=t===null?0:n-t;return r==="closed"?e?"Closed":
"Closed \u2013 not saved":r==="offline"?e?"Offline":`Offline \u2013 not saved: ${we(i)}`:r==="connecting"?"Connecting\u2026":e?s==="read"?"View only":"Saved":i<
Se?"Saving\u2026":`Not saved yet: ${we(i)}`}function we(r){let e=Math.round(r/1e3);return e<60?`${e} s`:e<3600?`${Math.floor(e/60)} min`:`${Math.floor(e/3600)} \
h`}var U=class extends S{state={connection:"connecting",isSaved:!0,unsavedSinceMs:null,access:null,reason:""};#t;#i=new f;#e=new f;#s=[];constructor(e){super(),
this.#t=e;let t=()=>this.#r(be),s=()=>this.#r(se);globalThis.addEventListener?.("offline",t),globalThis.addEventListener?.("online",s),this.#s.push(()=>{globalThis.
removeEventListener?.("offline",t),globalThis.removeEventListener?.("online",s)}),this.#n()}put(e){let t=this.state,s={...t,...e};s.isSaved?s.unsavedSinceMs=null:
s.unsavedSinceMs??=Date.now(),!Object.keys(s).every(i=>s[i]===t[i])&&(this.state=s,(t.isSaved!==s.isSaved||t.connection!==s.connection)&&this.#n(),d(this,"chang\
e",s))}whenStopped(e){this.#s.push(e)}takeAccess(e){let t=({access:n})=>this.put({access:n});e.access&&t(e);let s=[e.on("joined",t),e.on("access",t)];return()=>{
for(let n of s)n()}}stop(){this.#i.clear(),this.#e.clear();for(let e of this.#s.splice(0))e()}#n(){if(this.state.connection!=="online")return this.#e.clear();let e=this.
state.isSaved?We:Se,t=Date.now()-this.#t.heardAtMs();this.#e.set(()=>{Date.now()-this.#t.heardAtMs()>=e&&this.#r(se),this.#n()},Math.max(e-t,1e3))}#r(e){let t=e===
be;if(this.state.connection==="closed"||this.#i.isSet&&!t)return;let s=Date.now();this.#t.ask()&&this.#i.set(()=>{if(Date.now()-s>2*e)return this.#r(se);this.#t.
heardAtMs()>=s||(this.put({connection:"offline"}),this.#t.drop())},e)}},g=(r,e,t,s)=>{e.on(t,s),r.whenStopped(()=>e.off(t,s))},re=Uint8Array.of(0,2,2,0,0),$e=0,
ne=0,ie=2,Ye=Uint8Array.of(3),Je=120,Ve=r=>r.length===re.length&&r.every((e,t)=>e===re[t]);function oe(r,{isDirty:e=!1}={}){let t=r,s=!1,n=!1,i=!1,a=new f,o=new U(
{heardAtMs:()=>t.wsLastMessageReceived,ask(){return t.wsconnected?(t.ws?.send(Ye),!0):!1},drop(){t.shouldConnect&&(t.disconnect(),t.connect())}}),c=()=>o.put({isSaved:!e}),
m=()=>{!e||n||!i||(n=!0,s=!1,t.ws?.send(re))},u=()=>{a.isSet||a.set(m,Je)},b=()=>{n=!1,s?u():e=!1,c()},y=()=>{i=t.wsconnected,s||=n,m()},v=t.messageHandlers[ne],
w=t.messageHandlers[ie];return t.messageHandlers[ne]=(p,h,...R)=>{let x=h.arr;if(Ve(x))return b();v(p,h,...R),x[1]===$e&&queueMicrotask(y)},t.messageHandlers[ie]=
(p,{arr:h,pos:R})=>{if(h[R]!==0)return;let[x]=_(h,R+1);o.put({reason:x}),d(o,"refused",{reason:x})},o.whenStopped(()=>{a.clear(),t.messageHandlers[ne]=v,w&&(t.messageHandlers[ie]=
w)}),g(o,t.doc,"update",(p,h)=>{h!==r&&(e=!0,s=!0,u(),c())}),g(o,t,"status",({status:p})=>{p!=="connected"&&(n=!1,i=!1,p==="disconnected"&&o.put({connection:"of\
fline"}))}),g(o,t,"connection-error",()=>o.put({connection:"offline"})),g(o,t,"sync",p=>{p&&o.put({connection:"online"})}),g(o,t,"closed",({code:p,reason:h})=>o.
put({connection:"closed",reason:h||o.state.reason||`close code ${p}`})),o.put({isSaved:!e,connection:t.synced?"online":"connecting"}),o}function Ke(r,{isFinal:e=()=>!0}={}){
let t=r,s=Date.now(),n=!1,i=new U({heardAtMs:()=>s,ask(){return n&&t.sendToken(),n},drop(){}}),a=()=>t.authorizedScope==="readonly"?"read":t.authorizedScope?"wr\
ite":null,o=()=>i.put({isSaved:!t.hasUnsyncedChanges,access:a(),...n&&t.isSynced&&i.state.connection!=="closed"?{connection:"online",reason:""}:{}});g(i,t,"mess\
age",()=>{s=Date.now(),i.state.connection==="offline"&&o()});for(let c of["synced","unsyncedChanges","authenticated"])g(i,t,c,o);return g(i,t,"status",({status:c})=>{
n=c==="connected",c==="disconnected"&&i.state.connection!=="closed"&&i.put({connection:"offline"})}),g(i,t,"close",({event:c})=>{"type"in c||i.put({connection:"\
closed",reason:c.reason})}),g(i,t,"authenticationFailed",({reason:c})=>{e(c)&&i.put({connection:"closed",reason:c})}),i}var Ae=2e3;function Xe({url:r="/yjs",room:e,doc:t,token:s,WebsocketProvider:n,isDirty:i=!1}){let a=new URL(r,globalThis.location?.href);a.protocol=a.protocol.replace(
"http","ws");let o=!1,c=!1,m=new f,u=h=>h===4504||h===4401&&typeof s=="function"&&!o,b=new n(a.href,e,t,{connect:!1,disableBc:!0,shouldReconnect:({code:h})=>u(h)||
!B(h)}),y=b,v=oe(b,{isDirty:i}),w=async()=>{let h;try{h=typeof s=="function"?await s():s}catch{return m.set(w,Ae)}if(!c){if(!h)return v.put({connection:"closed",
reason:"there is no token"});y.protocols=["tutti.v1",`auth.${h}`],y.connect()}};y.on("connection-close",h=>{!h||!u(h.code)||(o=h.code===4401,y.shouldConnect=!1,
m.set(w,y.wsUnsuccessfulReconnects>0?Ae:0))}),v.on("change",({connection:h})=>{h==="online"&&(o=!1)});let p=()=>{y.shouldConnect&&y.connect()};return globalThis.
addEventListener?.("online",p),w(),{doc:t,provider:b,sync:v,close(){c=!0,m.clear(),globalThis.removeEventListener?.("online",p),v.stop(),b.destroy()}}}export{U as DocumentSync,q as Past,I as Presence,C as Room,V as Tutti,l as TuttiError,Fe as connect,He as describeSync,Xe as openDocument,Ke as watchHocuspocusProvider,
oe as watchWebsocketProvider};
